export const types = {
  'lab-results': 'Análisis', imaging: 'Imágenes', vaccines: 'Vacunas', allergies: 'Alergias', prescriptions: 'Medicamentos', conditions: 'Diagnósticos',
  procedures: 'Procedimientos', vitals: 'Signos vitales', documents: 'Documentos', encounters: 'Visitas', 'care-plans': 'Planes de cuidado', insurance: 'Seguro',
  'family-history': 'Antecedentes familiares', 'social-history': 'Historia social', diet: 'Dieta', demographics: 'Datos personales', other: 'Otros',
};
export const kinds = {
  'mental-health': 'Salud mental', 'substance-use': 'Consumo de sustancias', 'sexual-health': 'Salud sexual', hiv: 'VIH', genetics: 'Genética', violence: 'Violencia',
};
export const home = {
  hello: 'Hola, {{name}}', more_zero: 'Su historia está lista para llenarse.', more_one: 'Su historia contiene {{shown}} entrada.', more_other: 'Su historia contiene {{shown}} entradas.',
  start: 'Traiga su historia', start_more: 'Pida a su clínica una exportación (FHIR o PDF), o use lo que tenga. Se sella en este dispositivo antes de enviarse.',
  add: 'Añadir', new: 'Nuevo en su historia', new_none: 'Aún no se ha añadido nada.', access: 'Quién tiene acceso', access_none: 'Nadie más que usted.',
  access_all: 'Todo lo que compartió', expiring: 'Termina {{when}}', requests: 'Alguien pide acceso', summary: 'De un vistazo', see_all: 'Ver todo',
};
export const records = {
  title: 'Mi historia', more_zero: 'Aún no hay nada.', more_one: '{{shown}} entrada de {{sources}}.', more_other: '{{shown}} entradas de {{sources}}.',
  sources_one: '{{count}} fuente', sources_other: '{{count}} fuentes', add: 'Añadir', overview: 'Resumen', timeline: 'Cronología', search: 'Buscar en su historia',
  search_placeholder: 'Un medicamento, una prueba, un lugar, un año …', found_zero: 'No coincide nada.', found_one: 'Coincide {{shown}} entrada.', found_other: 'Coinciden {{shown}} entradas.',
  empty: 'Su historia está vacía', empty_more: 'Suelte archivos aquí o elíjalos. FHIR se lee entrada por entrada; los PDF, imágenes y notas se guardan tal cual.', undated: 'Sin fecha', all_types: 'Todos los tipos', by_type: 'Por tipo',
  detail_source: 'Fuente', source_connection: 'un proveedor conectado', detail_author: 'Autor', detail_signed: 'Firmado por su autor', detail_server: 'Sellado por el servidor desde {{source}}', detail_version: 'Versión',
  detail_stored: 'Guardado', detail_code: 'Códigos', detail_json: 'Datos de origen', detail_json_more: 'La entrada tal como llegó, en FHIR R4.', detail_file: 'Archivo', detail_open: 'Abrir',
  detail_download: 'Descargar', detail_not_shown: 'Este tipo de archivo no se muestra aquí, por seguridad. Puede descargarlo.',
  drop: 'Suelte archivos aquí o', drop_choose: 'elija archivos', drop_more: 'FHIR se lee entrada por entrada; los PDF, imágenes y otros archivos se guardan tal cual. Varios a la vez.',
  add_title: 'Añadir a su historia', add_more: 'Los archivos se leen y sellan en este dispositivo. El servidor recibe lo que no puede leer.',
  stage_waiting: 'En espera', stage_reading: 'Leyendo', stage_sealing: 'Sellando', stage_sending: 'Enviando', stage_done: 'Listo',
  report: '{{created}} nuevas, {{updated}} cambiadas, {{unchanged}} ya conocidas', rejected_one: '{{count}} entrada no se entendió', rejected_other: '{{count}} entradas no se entendieron',
  rejected_item: 'Entrada {{index}}: {{reason}}', retry: 'Intentar de nuevo', leave: 'Aún se están añadiendo archivos.', note: 'Escribir una nota', note_title: 'Título', note_text: 'Texto',
  note_date: 'Fecha', note_type: 'Pertenece a', note_add: 'Añadir la nota', note_added: 'La nota está en su historia.', to_record: 'Ver mi historia',
};
export const clinical = {
  alerts: 'Avisos', allergies: 'Alergias', problems: 'Problemas', medicines: 'Medicamentos', and_more_one: 'y {{count}} más abajo', and_more_other: 'y {{count}} más abajo',
  range: 'Rango {{range}}', no_range: 'Sin rango', results_one: '{{count}} resultado', results_other: '{{count}} resultados', history: 'Todos los resultados de {{test}}',
  date: 'Fecha', value: 'Valor', flag: 'Señal', remark: 'Observación', source: 'Fuente', trend: 'Tendencia', test: 'Prueba',
  low: 'Bajo', high: 'Alto', 'critical-low': 'Críticamente bajo', 'critical-high': 'Críticamente alto', abnormal: 'Anormal', critical: 'Crítico',
  born: 'Nacimiento: {{date}}', died: 'Fallecimiento: {{date}}', by_server: 'sellado por el servidor', sources: 'De dónde viene', records_one: '{{count}} entrada', records_other: '{{count}} entradas',
  also: 'También en {{dates}}', sections: 'Secciones', chart: '{{test}} en el tiempo', open_record: 'Abrir la entrada', cut_one: '{{count}} carácter más', cut_other: '{{count}} caracteres más',
  section: {
    patient: 'Paciente y contactos', alerts: 'Avisos', problems: 'Problemas', medications: 'Medicamentos', allergies: 'Alergias e intolerancias', immunizations: 'Vacunas',
    labs: 'Resultados de laboratorio', vitals: 'Signos vitales', procedures: 'Procedimientos y dispositivos', encounters: 'Visitas', imaging: 'Imágenes', documents: 'Documentos y notas',
    'care-plans': 'Planes de cuidado y objetivos', 'family-history': 'Antecedentes familiares', 'social-history': 'Historia social y cuestionarios', diet: 'Dieta y nutrición',
    'other-results': 'Otras observaciones', insurance: 'Seguro', other: 'Otras entradas',
  },
};
