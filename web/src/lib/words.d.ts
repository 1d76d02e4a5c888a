import 'i18next';
import type { Words } from '../words/en/index.ts';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: Words };
    returnNull: false;
  }
}
