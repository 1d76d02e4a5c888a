/** The app's words, in the reader's language; English is always there. */
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { en } from '../words/en/index.ts';

/** Languages and how they call themselves. */
export const LANGUAGES = { en: 'English', es: 'Español' } as const;
export type Language = keyof typeof LANGUAGES;

const loaders: Partial<Record<Language, () => Promise<object>>> = {
  es: () => import('../words/es/index.ts').then((module) => module.es),
};

function wanted(): Language {
  const kept = localStorage.getItem('language') ?? '';
  for (const one of [kept, ...navigator.languages]) {
    const short = one.slice(0, 2);
    if (short in LANGUAGES) return short as Language;
  }
  return 'en';
}

function adorn(language: string) {
  document.documentElement.lang = language;
  document.documentElement.dir = i18next.dir(language);
}

export async function speak(language: Language): Promise<void> {
  const load = loaders[language];
  if (load && !i18next.hasResourceBundle(language, 'translation')) {
    i18next.addResourceBundle(language, 'translation', await load());
  }
  await i18next.changeLanguage(language);
  adorn(language);
}

export async function startWords(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: 'en',
    fallbackLng: 'en',
    resources: { en: { translation: en } },
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  adorn('en');
  const language = wanted();
  if (language !== 'en') await speak(language);
}

export function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem('language', language);
  return speak(language);
}
