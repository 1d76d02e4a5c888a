/**
 * What screens may ask of the vault. Everything here is plain data that the
 * person in front of the screen may read; keys, passwords' roots and tokens of
 * the vault stay behind it, in the worker.
 */

export type RecordType =
  | 'lab-results' | 'imaging' | 'vaccines' | 'allergies' | 'prescriptions' | 'conditions' | 'procedures' | 'vitals'
  | 'documents' | 'encounters' | 'care-plans' | 'insurance' | 'family-history' | 'social-history' | 'diet'
  | 'demographics' | 'other';

export const RECORD_TYPES: readonly RecordType[] = [
  'conditions', 'allergies', 'prescriptions', 'lab-results', 'vitals', 'vaccines', 'procedures', 'encounters',
  'imaging', 'documents', 'care-plans', 'diet', 'family-history', 'social-history', 'insurance', 'demographics', 'other',
];

export type Kind = 'mental-health' | 'substance-use' | 'sexual-health' | 'hiv' | 'genetics' | 'violence';
export const KINDS: readonly Kind[] = ['mental-health', 'substance-use', 'sexual-health', 'hiv', 'genetics', 'violence'];

export interface Account {
  id: string;
  kind: 'patient' | 'provider' | 'admin';
  email: string;
  email_verified: boolean;
  name: string;
  disabled: boolean;
  type?: string;
  organization?: string;
  license_number?: string;
  license_country?: string;
  verification?: 'pending' | 'verified' | 'rejected' | 'suspended';
  created_at: string;
}

/** Whether somebody is signed in here, and whether their keys are at hand. */
export interface VaultState {
  state: 'out' | 'locked' | 'open';
  account: Account | null;
  /** Whose record the screens show. */
  patient: string | null;
  /** Everybody whose record the account owns: oneself, a chart that was claimed, a child. */
  patients: OwnPatient[];
  /** Whether tabs share this vault. */
  shared: boolean;
  /** Whether what changes elsewhere is heard of at once. */
  live: boolean;
  /** Why nobody is signed in any more, where it was not their own doing. */
  ended: 'elsewhere' | 'closed' | null;
}

export interface OwnPatient { id: string; name: string }

/** What something that was heard of is about; `reset` is everything. */
export type Topic = 'records' | 'grants' | 'requests' | 'shares' | 'claims' | 'sync' | 'session' | 'reset';
export const TOPICS: readonly Topic[] = ['records', 'grants', 'requests', 'shares', 'claims', 'sync', 'session', 'reset'];

export interface Coding { system?: string; code?: string; display?: string }

/** A record as lists show it. */
export interface RecordHeader {
  id: string;
  patient: string;
  version: number;
  record_type: RecordType;
  kinds: Kind[];
  supporting: boolean;
  title: string;
  /** As partial as the source gave it. */
  date: string | null;
  status: string | null;
  value: string | null;
  codes: Coding[];
  resource_type: string | null;
  body: 'resource' | 'text' | 'file';
  content_type: string;
  file_name: string | null;
  size: number;
  source: string;
  author: string | null;
  author_name: string | null;
  /** Whether an author signed it; what is not signed was sealed by the server. */
  signed: boolean;
  created_at: string;
  updated_at: string;
}

export interface RecordContent {
  header: RecordHeader;
  /** The FHIR JSON or the text. */
  text: string | null;
  /** The bytes of a file. */
  bytes: ArrayBuffer | null;
}

// --- the clinical document, as the core tells it --------------------------------

export interface Origin { records: string[]; sources: number[]; sensitivity: string[] }
export type Flag = 'low' | 'high' | 'critical-low' | 'critical-high' | 'abnormal' | 'critical';
export interface Point { date: string | null; time: string | null; value: string; flag: Flag | null; remark: string | null; origin: Origin }
export interface Series { title: string; unit: string; range: string | null; points: Point[]; spark: [number, number][]; band: [number, number] | null }
export interface SeriesGroup { title: string | null; series: Series[] }
export interface Row { title: string; sub: string[]; cells: string[]; also: string[]; urgent: boolean; origin: Origin }
export interface Table { title: string | null; columns: { title: string; width: 'narrow' | 'medium' | 'wide' }[]; rows: Row[] }
export interface FullText { title: string; date: string | null; detail: string; lines: string[]; cut_chars: number; origin: Origin }
export interface Section { key: string; title: string; series: SeriesGroup[]; tables: Table[]; texts: FullText[] }
export interface FrontLine { title: string; detail: string; date: string | null; urgent: boolean }
export interface FrontBlock { lines: FrontLine[]; more: number; empty: string | null }
export interface ClinicalDocument {
  patient: { name: string | null; birth_date: string | null; sex: string | null; deceased: string | null; identifiers: { label: string; text: string }[]; details: { label: string; text: string }[] } | null;
  front: { alerts: FrontBlock; allergies: FrontBlock; problems: FrontBlock; medicines: FrontBlock };
  sections: Section[];
  sources: { name: string; sealed_by_server: boolean; records: number; types: [RecordType, number][] }[];
  sensitivity: string[];
  counts: { records: number; shown: number; repeated: number; entered_in_error: number; cut: number };
  notes: string[];
}

// --- adding -------------------------------------------------------------------

export interface ImportReport {
  file: string;
  /** Whether it was read entry by entry; else it was kept as a file. */
  read: boolean;
  created: number;
  updated: number;
  unchanged: number;
  /** Ids of what is new or changed. */
  written: string[];
  /** What was not taken. */
  rejected: { index: number; code: string; reason: string }[];
  /** What is odd in what was taken; the first of them. */
  odd: { index: number | null; code: string; pointer: string }[];
  odd_count: number;
}

/** A record taken along: the Bundle, and the files that are too large to stand in it. */
export interface Export { bundle: Blob; left_out: { id: string; name: string; size: number }[] }

export interface NewText { title: string; text: string; date: string | null; record_type: RecordType }

// --- sharing ------------------------------------------------------------------

export interface ShareTerms {
  types: RecordType[];
  kinds: Kind[];
  /** Single records, where not everything of the types. */
  records: string[] | null;
  valid_from: string | null;
  expires_at: string;
  purpose: string;
  may_download: boolean;
  message: string | null;
  /** Whose record it is, where that is not whoever shares it. */
  patient_name?: string;
}

export interface NewLink extends ShareTerms {
  recipient_name: string;
  recipient_email: string | null;
  passcode: string | null;
  send: 'none' | 'notice' | 'link';
}

export interface NewGrant extends ShareTerms { provider: string; provider_name: string; write_types: RecordType[] }

export interface MadeLink { share: string; url: string; shlink: string | null }

/** A grant or link of one's own as its signed cover tells it. */
export interface Cover {
  grant: string;
  patient_name: string | null;
  recipient_name: string | null;
  recipient_email: string | null;
  message: string | null;
}

export interface Fingerprint {
  account: string;
  fingerprint: string;
  /** Whether this vault never met the key before. */
  is_new: boolean;
}

// --- charts that practitioners open ------------------------------------------------

/** Who a new chart is about; the two texts are medical and sealed here. */
export interface NewChart {
  name: string;
  /** Where the invitation goes. */
  email: string;
  contact_details: string | null;
  /** `YYYY-MM-DD`; whoever claims by mail must name it. */
  date_of_birth: string | null;
  carepatron_patient_id: string | null;
  medical_history: string | null;
  dietary_preferences: string | null;
}

/** The texts of a chart that are medical, and so kept as records of their own. */
export type ChartText = 'medical_history' | 'dietary_preferences';
export type ChartTexts = Record<ChartText, string | null>;

/** A sheet to print: whoever has it takes the chart over. Shown once, kept nowhere. */
export interface ClaimSheet { patient: string; url: string }

/** A patient for a destination: the statement that lets it have records is signed here. */
export interface NewDestination {
  connection: string;
  patient: string;
  /** Types that go there; empty for all that the grant covers. */
  record_types: RecordType[];
  kinds: Kind[];
  remote_patient_id: string | null;
  authorization: { obtained_on: string; method: string; note?: string } | null;
}

/** A claim, as far as its keys are concerned; the calls that list claims tell the rest. */
export interface ClaimKeys { id: string; patient_id: string; claimant_id: string }

/** How far a chart is taken over. */
export type ClaimStage = 'opening' | 'sealing' | 'sending' | 'done';

// --- links, as their readers see them ---------------------------------------------

export interface OpenedLink {
  /** The share, as patient and log name it; none of a link of another system. */
  share: string | null;
  patient_name: string | null;
  sender: string | null;
  recipient_name: string | null;
  message: string | null;
  purpose: string | null;
  types: RecordType[];
  expires_at: string | null;
  may_download: boolean;
  headers: RecordHeader[];
  document: ClinicalDocument;
  /** Of a link of another system. */
  other: OtherSystem | null;
}

/** What is to be said of a link that is not ours. */
export interface OtherSystem {
  /** Where it is kept. */
  host: string;
  label: string | null;
  /** Files of kinds that are not read here. */
  unread: number;
  /** Health cards, whose issuer's signature was not checked. */
  cards: number;
}

// --- the trail -----------------------------------------------------------------

/**
 * What the log was found to be: whole, or what is wrong with it. `changed`: an
 * entry is not what was logged. `told`: the list shows something else than the
 * log holds. `shorter`: entries are gone. `forked`: two logs are shown.
 * `unreadable`: the statement is none.
 */
export type Verdict = 'whole' | 'changed' | 'told' | 'shorter' | 'forked' | 'unsigned' | 'unreadable';

/** One thing that was compared, with what it was compared by. */
export type TrailStep = { verdict: Verdict } & (
  | { what: 'checkpoint'; origin: string; size: number; root: string; signer: string; key: string }
  | { what: 'entry'; entry: number; action: string; at: string; leaf: string; hashes: number; size: number }
  | { what: 'consistency'; from: number; from_root: string; met_at: string | null; to: number; to_root: string; hashes: number }
);

export interface TrailCheck {
  verdict: Verdict;
  /** What was compared, in order. */
  steps: TrailStep[];
}

/** An entry as a list showed it; it is held against what the log holds. */
export interface ListedEntry { id: number; action: string; at: string; actor: { kind: string; id?: string | null } }

// --- failures -------------------------------------------------------------------

/** A failure with its stable dotted word. */
export interface Failure { code: string; status?: number; detail?: string; errors?: { field: string; message: string }[]; extra?: Record<string, unknown> }

export class VaultFailure extends Error {
  constructor(readonly failure: Failure) {
    super(failure.detail ?? failure.code);
    this.name = 'VaultFailure';
  }
  get code() { return this.failure.code; }
}

export type Events =
  | { event: 'state'; state: VaultState }
  | { event: 'progress'; job: string; stage: 'reading' | 'sealing' | 'sending' | 'done'; done: number; total: number }
  | { event: 'claim'; claim: string; stage: ClaimStage }
  | { event: 'changed'; patient: string }
  | { event: 'heard'; topic: Topic };

export interface VaultApi {
  state(): Promise<VaultState>;
  /** Puts off locking; called while somebody is there. */
  touch(): Promise<void>;
  setIdle(minutes: number): Promise<void>;
  registerPatient(form: { email: string; password: string; name: string; date_of_birth: string | null }): Promise<{ recovery_code: string }>;
  registerProvider(form: { email: string; password: string; name: string; type: string; license_number: string; license_country: string; organization: string | null }): Promise<{ recovery_code: string }>;
  signIn(email: string, password: string): Promise<VaultState>;
  /** Opens again with the password of whoever is signed in; also freshens the sign-in. */
  unlock(password: string): Promise<VaultState>;
  lock(): Promise<void>;
  signOut(): Promise<void>;
  /** A short-lived token for calls that carry nothing sealed. */
  accessToken(): Promise<string | null>;
  refreshAccount(): Promise<VaultState>;
  changePassword(current: string, next: string): Promise<void>;
  recover(email: string, code: string, password: string): Promise<{ recovery_code: string }>;
  /** A new recovery kit for the present one; the password stays, other devices are signed out. */
  renewKit(code: string, password: string): Promise<{ recovery_code: string }>;
  /** Ends the account and destroys the record, for good; the password is asked anew. */
  closeAccount(password: string): Promise<void>;

  listHeaders(patient: string): Promise<RecordHeader[]>;
  readRecord(patient: string, record: string): Promise<RecordContent>;
  /** What these types say, as a clinician reads it; everything where none are named. */
  clinical(patient: string, types: RecordType[] | null): Promise<ClinicalDocument>;
  /** Everything as one FHIR Bundle, opened and put together here. */
  exportRecord(patient: string, job: string): Promise<Export>;
  /** Reads FHIR entry by entry and keeps anything else as it is; `whole` keeps that, too. */
  importFile(patient: string, file: File, job: string, whole: boolean): Promise<ImportReport>;
  addText(patient: string, text: NewText): Promise<ImportReport>;
  settle(patient: string): Promise<void>;

  /** What whoever is granted this part would read now. */
  previewShare(patient: string, part: { types: RecordType[]; kinds: Kind[]; records: string[] | null }): Promise<ClinicalDocument>;
  createLink(patient: string, link: NewLink): Promise<MadeLink>;
  linkUrl(patient: string, grant: string): Promise<{ url: string; shlink: string | null }>;
  createGrant(patient: string, grant: NewGrant): Promise<void>;
  approveRequest(patient: string, request: string, grant: NewGrant): Promise<void>;
  endGrant(patient: string, grant: string, kind: 'link' | 'account'): Promise<void>;
  changeTerms(patient: string, grant: string, expires_at: string): Promise<void>;
  covers(patient: string): Promise<Cover[]>;
  fingerprint(account: string): Promise<Fingerprint>;

  verifyEntry(entry: ListedEntry): Promise<TrailCheck>;
  verifyTrail(): Promise<TrailCheck>;
}

/** Charts and claims, destinations, and new keys: what is sealed for them. */
export interface ChartApi {
  /**
   * Opens a chart: its seed is made here, the practitioner's own grant with it, and the medical texts are sealed.
   * Where the chart was opened and what follows was not, the failure is `chart.unfinished` with `extra.patient`:
   * `finishChart` does the rest, and may be asked again.
   */
  createChart(chart: NewChart): Promise<{ patient: string }>;
  finishChart(patient: string, chart: NewChart): Promise<void>;
  /** The medical texts of a chart, as far as one may read them. */
  chartTexts(patient: string): Promise<ChartTexts>;
  /** Writes such a text: a new version where there is one already. */
  putChartText(patient: string, which: ChartText, text: string): Promise<void>;
  /** Makes a claim sheet; the sheet before counts no longer. */
  claimSheet(patient: string): Promise<ClaimSheet>;
  /** Confirms a claim by mail: seals the patient's seed to the claimant. */
  confirmClaim(claim: ClaimKeys): Promise<void>;
  /** Takes a chart over with a sheet's key. Tells of it as it goes, under the chart's id. */
  claimBySheet(patient: string, key: string): Promise<void>;
  /** Takes a chart over that its practitioner confirmed. Tells of it as it goes, under the claim's id. */
  completeClaim(claim: ClaimKeys): Promise<void>;
  /** Puts a patient on a destination of one's own, and seals what it is owed. */
  attachDestination(destination: NewDestination): Promise<void>;
  /** Passes one record on under a grant that lets one; without such a grant it fails with `vault.no_key`, and the patient is to be asked. */
  passOn(patient: string, record: string, to: { provider: string; provider_name: string; patient_name: string; expires_at: string; message: string | null }): Promise<void>;
  /** Seals what destinations are owed of a patient, as far as one may; a bounded portion. */
  sealOwed(patient: string): Promise<{ sealed: number; more: boolean }>;

  /** Whose record the screens show, where somebody keeps several. */
  choosePatient(patient: string): Promise<VaultState>;
  /** New keys in place of the present ones; the password stays, other devices are signed out, links end. */
  changeKeys(password: string): Promise<{ recovery_code: string }>;
}

/** What a link's reader may ask; they have no account. */
export interface VisitApi {
  accessToken(): Promise<null>;
  openLink(token: string, key: string, reader: string, passcode: string | null): Promise<OpenedLink>;
  /** A link of another system, with its files as they came from wherever they are kept. */
  openHealthLink(text: string, files: string[]): Promise<OpenedLink>;
  /** Forgets what was opened. */
  closeLink(): Promise<void>;
  readShared(record: string): Promise<RecordContent>;
  exportShared(): Promise<string>;
  /** Has a copy that was made here counted; fails where none may be taken. */
  countShared(): Promise<void>;
  /** What the link tells by now; null where nothing changed. Counts no further access. */
  refreshShared(): Promise<OpenedLink | null>;
}

export type Method = keyof VaultApi | keyof ChartApi | keyof VisitApi;
