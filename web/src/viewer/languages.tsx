/** The reader's language, for whoever has no settings. */
import { useTranslation } from 'react-i18next';
import { chooseLanguage, type Language, LANGUAGES } from '../lib/i18n.ts';

export function Languages() {
  const { t, i18n } = useTranslation();
  return (
    <select className="plain-select no-print" aria-label={t('viewer.language')} value={i18n.language} onChange={(event) => void chooseLanguage(event.currentTarget.value as Language)}>
      {Object.entries(LANGUAGES).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
    </select>
  );
}
