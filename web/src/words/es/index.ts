/** Todo lo que lee una persona, en español. */
import type { Words } from '../en/index.ts';
import { activity, disclosures, numbers } from './audit.ts';
import { claims, connected, keys, narrow, whose } from './claims.ts';
import { clinical, home, kinds, records, types } from './records.ts';
import { accounts, admin, common, errors, nav, patients, settings } from './people.ts';
import { asking, caseload, connections, deliveries, imports, passing, practice, reply, sync } from './practice.ts';
import { paper } from './paper.ts';
import { requests } from './requests.ts';
import { office, safety } from './security.ts';
import { shares, viewer } from './shares.ts';
import { uploads } from './uploads.ts';

export const es: Words = { common, nav, errors, accounts, settings, admin, patients, home, records, types, kinds, clinical, activity, disclosures, numbers, requests, safety, office, shares, viewer, uploads,
  claims, connected, keys, narrow, whose,
  asking, caseload, connections, deliveries, imports, passing, practice, reply, sync, paper,
};
