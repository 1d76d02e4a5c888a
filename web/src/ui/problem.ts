/** Why a connection or a delivery is in trouble, in a sentence of the reader's language. */
import { useTranslation } from 'react-i18next';

export function useProblem(): (code: string | null | undefined) => string {
  const { t, i18n } = useTranslation();
  return (code) => {
    const key = `practice.problem.${(code ?? '').replaceAll('.', '_')}`;
    return code && i18n.exists(key) ? t(key as 'practice.problem.unknown') : t('practice.problem.unknown');
  };
}
