/** Todo lo que lee una persona, en español. */
import type { Words } from '../en/index.ts';
import { activity, clinical, home, kinds, records, types } from './records.ts';
import { accounts, admin, common, errors, nav, patients, settings } from './people.ts';
import { shares, viewer } from './shares.ts';
import { uploads } from './uploads.ts';

export const es: Words = { common, nav, errors, accounts, settings, admin, patients, home, records, types, kinds, clinical, activity, shares, viewer, uploads };
