/** Los PDF que se hacen en el dispositivo. */
export const paper = {
  pdf: 'Descargar PDF',
  begun: 'Trayendo lo que compone las páginas …',
  getting: 'Trayendo lo que compone las páginas: {{share}} %',
  setting: 'Componiendo las páginas en este dispositivo …',
  done: 'Guardado como {{name}} ({{size}}). Se hizo en este dispositivo.',
  again: 'Guardarlo otra vez',
  unreachable: 'No se pudo traer lo que compone las páginas. No se perdió nada: inténtelo de nuevo cuando tenga conexión.',
  failed: 'Las páginas no se pudieron componer en este dispositivo. No se perdió nada: inténtelo de nuevo o imprima esta página.',
  kit_account: 'Cuenta',
  kit_made: 'Hecha el',
  kit_where: 'Dirección',
};
