/** Everything a person reads, in English. */
import { activity, disclosures, numbers } from './audit.ts';
import { clinical, home, kinds, records, types } from './records.ts';
import { accounts, admin, common, errors, nav, patients, settings } from './people.ts';
import { paper } from './paper.ts';
import { requests } from './requests.ts';
import { office, safety } from './security.ts';
import { shares, viewer } from './shares.ts';
import { uploads } from './uploads.ts';

export const en = { common, nav, errors, accounts, settings, admin, patients, home, records, types, kinds, clinical, activity, disclosures, numbers, requests, safety, office, shares, viewer, uploads, paper };
export type Words = typeof en;
