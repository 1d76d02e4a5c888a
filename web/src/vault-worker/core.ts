/** The Rust core of whoever signs in, loaded once, behind plain functions. */
import { sha256 } from '@noble/hashes/sha2.js';
import type {
  ChartText, ClaimKeys, ClaimStage, ClinicalDocument, Cover, Fingerprint, ImportReport, MadeLink, NewChart, NewDestination, NewGrant, NewLink, NewText, RecordContent, RecordHeader, RecordType, ShareTerms,
} from './api.ts';
import { Carrier, parse } from './carrier.ts';
import type { Http } from './http.ts';
import { keep, kept } from './shelf.ts';
import init, { isSignedBy, type Vault as RustVault, Vault } from './pkg/chartkey_wasm.js';
import address from './pkg/chartkey_wasm_bg.wasm?url';

let loaded: Promise<unknown> | null = null;

/** Records of one page as the core asks for them with their bodies. */
const EXPORT_PAGE = 500;

/** What was met before is kept under a hash of the address, since it is per account. */
const shelfOf = (email: string) => `memory ${[...sha256(new TextEncoder().encode(email.trim().toLowerCase())).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/** What a file is, by how it begins: FHIR is read, anything else is kept as it is. */
export function isFhir(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.slice(0, 4096)).trimStart();
  if (!start.startsWith('{')) return false;
  return new TextDecoder().decode(bytes.slice(0, 1 << 20)).includes('"resourceType"');
}

/** A file's type as a browser told it, without anything that runs where it is opened. */
const mediaType = (told: string) => (/^[a-z]+\/[\w.+-]+$/.test(told) ? told : 'application/octet-stream');

export type Core = Awaited<ReturnType<typeof openCore>>;

const typesOf = (types: RecordType[] | null) => (types ? JSON.stringify(types) : undefined);

const load = () => (loaded ??= init({ module_or_path: address }));

/** Whether the log's key signed a checkpoint, by the core. */
export async function signedBy(): Promise<(checkpoint: string, key: string) => boolean> {
  await load();
  return isSignedBy;
}

export async function openCore(http: Http) {
  await load();
  const carrier = new Carrier(http, true);
  let shelf = '';
  let vault: RustVault = new Vault(carrier.carry, undefined);
  const remember = () => keep(shelf, vault.memory());

  const termsOf = (share: ShareTerms, sender: string | null, recipient: string, write_types: RecordType[] = []) => ({
    types: share.types, kinds: share.kinds, records: share.records, write_types, valid_from: share.valid_from, expires_at: share.expires_at,
    purpose: share.purpose, may_download: share.may_download,
    cover: { patient_name: share.patient_name ?? sender ?? '', sender: sender ?? '', recipient, ...(share.message ? { message: share.message } : {}) },
  });

  /**
   * What was opened of a patient may be of before a claim, another generation or
   * another grant: where no key fits, it is looked at anew, once.
   */
  async function anew<T>(patient: string, way: () => Promise<T>): Promise<T> {
    try {
      return await way();
    } catch (why) {
      if ((why as { code?: unknown }).code !== 'vault.no_key') throw why;
      await vault.openPatient(patient);
      return way();
    }
  }

  /** Begins with what this account met before on this device. */
  async function begin(email: string) {
    shelf = shelfOf(email);
    const memory = await kept(shelf);
    vault = new Vault(carrier.carry, typeof memory === 'string' ? memory : undefined);
  }

  return {
    forget() {
      vault.lock();
    },
    register: (role: 'patient' | 'provider', person: object, password: string) => carrier.run(async () => {
      const said = JSON.stringify(Object.fromEntries(Object.entries(person).filter(([, value]) => value !== null)));
      return parse<{ recovery_code: string }>(await (role === 'patient' ? vault.registerPatient(said, password) : vault.registerProvider(said, password)));
    }),
    signIn: (email: string, password: string) => carrier.run(async () => {
      await begin(email);
      return parse<unknown>(await vault.signIn(email, password));
    }),
    recover: (email: string, code: string, password: string) => carrier.run(async () => {
      await begin(email);
      return parse<{ recovery_code: string }>(await vault.recover(email, code, password));
    }),
    changePassword: (email: string, current: string, next: string) => carrier.run(() => vault.changePassword(email, current, next)),

    listHeaders: (patient: string) => carrier.run(async () => {
      // Ends what is stale and adopts what waits, where that is ours to do.
      await vault.settle(patient);
      const list = parse<{ headers: RecordHeader[] }>(await vault.listHeaders(patient));
      await remember();
      return list.headers;
    }),
    readRecord: (patient: string, record: string) => carrier.run(() => anew(patient, async (): Promise<RecordContent> => {
      const read = parse<{ header: RecordHeader; text: string | null; verified: boolean }>(await vault.readRecord(patient, record));
      const bytes = read.header.body === 'file' ? await vault.readContent(patient, record) : null;
      return { header: { ...read.header, signed: read.verified }, text: read.text, bytes: bytes ? (bytes.slice().buffer as ArrayBuffer) : null };
    })),
    clinical: (patient: string, types: RecordType[] | null) => carrier.run(async () => parse<ClinicalDocument>(await anew(patient, () => vault.document(patient, typesOf(types))))),
    /** Everything as one Bundle; `said` hears how many records came so far, at most. */
    exportBundle: (patient: string, said: (done: number) => void) => carrier.run(async () => {
      carrier.pages = (count) => said(count * EXPORT_PAGE);
      try {
        return await anew(patient, () => vault.exportBundle(patient, undefined));
      } finally {
        carrier.pages = null;
      }
    }),
    importFile: (patient: string, bytes: Uint8Array, name: string, type: string, author: string | null, how: { whole: boolean; onSent: (bytes: number) => void }) => carrier.run(async () => {
      const about = { record_type: 'documents', file_name: name, content_type: mediaType(type), author_name: author };
      const read = !how.whole && isFhir(bytes);
      carrier.onSent = how.onSent;
      try {
        const done = read ? await vault.importFhir(patient, bytes, undefined, author ?? undefined) : await vault.addFile(patient, bytes, JSON.stringify(about));
        await remember();
        return { ...parse<Omit<ImportReport, 'file' | 'read'>>(done), read };
      } finally {
        carrier.onSent = null;
      }
    }),
    addText: (patient: string, text: NewText, author: string | null) => carrier.run(async () => {
      const about = { title: text.title, date: text.date, record_type: text.record_type, author_name: author };
      return { ...parse<Omit<ImportReport, 'file' | 'read'>>(await vault.addText(patient, text.text, JSON.stringify(about))), read: false };
    }),
    settle: (patient: string) => carrier.run(async () => {
      await vault.settle(patient);
      await remember();
    }),

    previewShare: (patient: string, part: object) => carrier.run(async () => parse<ClinicalDocument>(await anew(patient, () => vault.preview(patient, JSON.stringify(part))))),
    createLink: (patient: string, link: NewLink, sender: string | null) => carrier.run(async (): Promise<MadeLink> => {
      const words = {
        recipientName: link.recipient_name, sendEmail: link.send,
        ...(link.recipient_email ? { recipientEmail: link.recipient_email } : {}),
        ...(link.passcode ? { passcode: link.passcode } : {}),
        // The message goes to the server only where the mail is to carry it.
        ...(link.message && link.send !== 'none' ? { message: link.message } : {}),
      };
      const made = parse<{ grant: string; url: string; shlink: string | null }>(
        await vault.makeLink(patient, JSON.stringify({ terms: termsOf(link, sender, link.recipient_name), words, app_url: self.location.origin })),
      );
      await remember();
      return { share: made.grant, url: made.url, shlink: made.shlink };
    }),
    linkUrl: (patient: string, grant: string) => carrier.run(async () => {
      // Asked for at the address that wants a fresh sign-in: whoever finds this screen open gets no link.
      const said = (await http.json('GET', `/api/records/share/${grant}/link`, undefined)) as { share: { accessToken: string } };
      return { url: await vault.linkUrl(patient, grant, said.share.accessToken, self.location.origin), shlink: null };
    }),
    createGrant: (patient: string, grant: NewGrant, sender: string | null) => carrier.run(async () => {
      await vault.grant(patient, grant.provider, JSON.stringify(termsOf(grant, sender, grant.provider_name, grant.write_types)));
      await remember();
    }),
    passOn: (patient: string, record: string, to: { provider: string; provider_name: string; patient_name: string; expires_at: string; message: string | null }, sender: string | null) => carrier.run(async () => {
      const cover = { patient_name: to.patient_name, sender: sender ?? '', recipient: to.provider_name, ...(to.message ? { message: to.message } : {}) };
      await vault.shareDocument(patient, record, to.provider, JSON.stringify({ expires_at: to.expires_at, cover }));
      await remember();
    }),
    approveRequest: (patient: string, request: string, grant: NewGrant, sender: string | null) => carrier.run(async () => {
      await vault.approveRequest(patient, request, grant.provider, JSON.stringify(termsOf(grant, sender, grant.provider_name, grant.write_types)));
      await remember();
    }),
    endGrant: (patient: string, grant: string, kind: 'link' | 'account') => carrier.run(async () => {
      carrier.ending = kind === 'link' ? grant : null;
      try {
        await vault.endGrant(patient, grant);
      } finally {
        carrier.ending = null;
      }
      await remember();
    }),
    changeTerms: (patient: string, grant: string, until: string) => carrier.run(async () => {
      await vault.changeTerms(patient, grant, until);
      await remember();
    }),
    covers: (patient: string) => carrier.run(async () => parse<Cover[]>(await vault.covers(patient))),
    createChart: (chart: NewChart) => carrier.run(async () => {
      const { name, email, contact_details, date_of_birth, carepatron_patient_id } = chart;
      const person = Object.fromEntries(Object.entries({ name, email, contact_details, date_of_birth, carepatron_patient_id }).filter(([, value]) => value !== null));
      const patient = await vault.createChart(JSON.stringify(person));
      await remember();
      return patient;
    }),
    keepAccess: (patient: string, chart: { name: string; date_of_birth: string | null }, practitioner: string) => carrier.run(async () => {
      const cover = { patient_name: chart.name, sender: practitioner, recipient: practitioner, ...(chart.date_of_birth ? { birth_date: chart.date_of_birth } : {}) };
      await vault.keepAccess(patient, JSON.stringify(cover));
      await remember();
    }),
    chartText: (patient: string, which: ChartText) => carrier.run(async () => parse<string | null>(await anew(patient, () => vault.chartText(patient, which)))),
    putChartText: (patient: string, which: ChartText, text: string, author: string | null) => carrier.run(async () => {
      await vault.putChartText(patient, which, text, author ?? undefined);
      await remember();
    }),
    claimSheet: (patient: string) => carrier.run(() => vault.claimSheet(patient)),
    confirmClaim: (claim: ClaimKeys) => carrier.run(async () => {
      await vault.confirmClaim(claim.id, claim.patient_id, claim.claimant_id);
      await remember();
    }),
    /** Takes a chart over, with a sheet's key or as its practitioner confirmed. */
    takeOver: (claim: { patient: string; key: string } | ClaimKeys, onStage: (stage: ClaimStage) => void) => carrier.run(async () => {
      carrier.onCall = (method, path) => {
        if (path.endsWith('/keys')) onStage('opening');
        else if (method === 'POST') onStage(path.endsWith('/complete') ? 'sending' : 'sealing');
      };
      try {
        await ('key' in claim ? vault.claimBySheet(claim.patient, claim.key) : vault.completeClaim(claim.id, claim.patient_id));
      } finally {
        carrier.onCall = null;
      }
      await remember();
    }),
    attachDestination: (destination: NewDestination) => carrier.run(async () => {
      const { connection, patient, record_types, kinds, remote_patient_id, authorization } = destination;
      const about = {
        patient_id: patient, record_types, ...(kinds.length > 0 ? { include_sensitive: kinds } : {}),
        ...(remote_patient_id ? { remote_patient_id } : {}), ...(authorization ? { authorization } : {}),
      };
      await vault.attachDestination(JSON.stringify({ connection, patient, record_types, kinds, about }));
      await remember();
    }),
    sealOwed: (patient: string) => carrier.run(async () => {
      const done = parse<{ sealed: number; more: boolean }>(await vault.sealOwed(patient));
      await remember();
      return done;
    }),
    changeKeys: (email: string, password: string, patients: string[]) => carrier.run(async () => {
      const recovery_code = await vault.changeKeys(email, password, JSON.stringify(patients));
      await remember();
      return { recovery_code };
    }),
    fingerprint: (account: string) => carrier.run(async (): Promise<Fingerprint> => {
      const found = parse<Fingerprint>(await vault.fingerprint(account));
      return { ...found, fingerprint: found.fingerprint.match(/.{1,4}/g)?.join(' ') ?? found.fingerprint };
    }),
  };
}
