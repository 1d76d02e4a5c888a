/** What each kind of system is asked for: where it is, how it knows us, what only it understands. It knows no screens. */
import type { Connection, Credentials, Direction, NewConnection, SystemKind } from '../../lib/practice.ts';

export type AuthKind = Credentials['type'];

/** A setting of its own that a person can fill in; the rest has defaults. */
export interface Setting { name: string; required: boolean; example: string }

export interface Kind {
  kind: SystemKind;
  auth: readonly AuthKind[];
  /** Where it is when everybody's is at one place; the person may change it. */
  address: string;
  /** What an address looks like. */
  example: string;
  settings: readonly Setting[];
  /** Whether the rest of its settings is written as JSON. */
  json: boolean;
}

const FHIR_AUTH = ['none', 'bearer', 'basic', 'header', 'backend_services'] as const;

/** What documents can come from. */
export const SOURCES: readonly Kind[] = [
  { kind: 'fhir', auth: [...FHIR_AUTH, 'smart'], address: '', example: 'https://fhir.hospital.example/r4', settings: [], json: true },
];

/** What documents can be sent to. */
export const DESTINATIONS: readonly Kind[] = [
  { kind: 'carepatron', auth: ['bearer', 'header'], address: 'https://api.carepatron.com', example: '', settings: [{ name: 'provider_id', required: true, example: 'workspace-1' }], json: false },
  { kind: 'cliniko', auth: ['bearer', 'basic'], address: '', example: 'https://api.au1.cliniko.com/v1', settings: [{ name: 'contact_email', required: true, example: 'it@practice.example' }], json: false },
  { kind: 'healthie', auth: ['bearer'], address: 'https://api.gethealthie.com/graphql', example: '', settings: [{ name: 'dietitian_id', required: false, example: '' }], json: false },
  { kind: 'fhir', auth: FHIR_AUTH, address: '', example: 'https://fhir.practice.example/r4', settings: [], json: true },
  { kind: 'rest', auth: ['none', 'bearer', 'basic', 'header'], address: '', example: 'https://platform.example/api', settings: [], json: true },
];

export const kindsOf = (direction: Direction) => (direction === 'source' ? SOURCES : DESTINATIONS);
export const kindOf = (direction: Direction, kind: SystemKind): Kind => kindsOf(direction).find((one) => one.kind === kind) ?? SOURCES[0]!;

/** Where Cliniko is stands at the end of its key: `…-uk1`. */
export function shardAddress(key: string): string | null {
  const shard = /-([a-z]{2}\d{1,2})$/.exec(key.trim())?.[1];
  return shard ? `https://api.${shard}.cliniko.com/v1` : null;
}

export interface Secrets { token: string; username: string; password: string; header: string; value: string; client_id: string; key_id: string; private_key: string; token_url: string; scope: string }
export const noSecrets: Secrets = { token: '', username: '', password: '', header: '', value: '', client_id: '', key_id: '', private_key: '', token_url: '', scope: '' };

/** Which of them a way of proving oneself needs, and which it may have. */
export const SECRETS: Record<AuthKind, { needs: readonly (keyof Secrets)[]; may: readonly (keyof Secrets)[] }> = {
  none: { needs: [], may: [] },
  bearer: { needs: ['token'], may: [] },
  basic: { needs: ['username'], may: ['password'] },
  header: { needs: ['header', 'value'], may: [] },
  backend_services: { needs: ['client_id', 'key_id', 'private_key'], may: ['token_url', 'scope'] },
  smart: { needs: ['client_id'], may: ['password'] },
};

export function credentialsOf(auth: AuthKind, secrets: Secrets): Credentials {
  const of = (name: keyof Secrets) => secrets[name].trim();
  switch (auth) {
    case 'none': return { type: 'none' };
    case 'bearer': return { type: 'bearer', token: of('token') };
    case 'basic': return { type: 'basic', username: of('username'), ...(secrets.password ? { password: secrets.password } : {}) };
    case 'header': return { type: 'header', name: of('header'), value: of('value') };
    case 'backend_services': return { type: 'backend_services', client_id: of('client_id'), key_id: of('key_id'), private_key: secrets.private_key.trim(), ...(of('token_url') ? { token_url: of('token_url') } : {}), ...(of('scope') ? { scope: of('scope') } : {}) };
    // Where tokens come from is discovered when the patient signs in.
    case 'smart': return { type: 'smart', client_id: of('client_id'), token_url: '', ...(secrets.password ? { client_secret: secrets.password } : {}) };
  }
}

export const SCHEDULES = ['hourly', 'daily', 'manual'] as const;
export const CLIENT_POLICIES = ['ask', 'auto', 'never'] as const;
export const REMOVAL_POLICIES = ['keep', 'delete'] as const;

export interface Draft {
  direction: Direction;
  kind: SystemKind;
  name: string;
  address: string;
  auth: AuthKind;
  secrets: Secrets;
  settings: Record<string, string>;
  /** Settings written as JSON; empty for none. */
  json: string;
  /** Empty: as it is. */
  client_policy: (typeof CLIENT_POLICIES)[number] | '';
  removal_policy: (typeof REMOVAL_POLICIES)[number] | '';
  schedule: string;
}

export function draftOf(direction: Direction): Draft {
  const [first] = kindsOf(direction);
  const kind = first ?? SOURCES[0]!;
  return { direction, kind: kind.kind, name: '', address: kind.address, auth: kind.auth[0] ?? 'none', secrets: noSecrets, settings: {}, json: '', client_policy: 'ask', removal_policy: 'keep', schedule: 'daily' };
}

export type Fault = 'needed' | 'address' | 'json' | 'schedule';

const parsed = (json: string): Record<string, unknown> | null => {
  if (!json.trim()) return {};
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};

export const isAddress = (text: string) => /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/i.test(text.trim());

/** What is missing or wrong before it can be tried, by field. */
export function faults(draft: Draft): Record<string, Fault> {
  const kind = kindOf(draft.direction, draft.kind);
  const found: Record<string, Fault> = {};
  if (!draft.name.trim()) found.name = 'needed';
  if (!draft.address.trim()) found.address = 'needed';
  else if (!isAddress(draft.address)) found.address = 'address';
  for (const one of SECRETS[draft.auth].needs) if (!draft.secrets[one].trim()) found[one] = 'needed';
  for (const one of kind.settings) if (one.required && !draft.settings[one.name]?.trim()) found[one.name] = 'needed';
  if (kind.json && parsed(draft.json) === null) found.json = 'json';
  if (draft.kind === 'rest' && Object.keys(parsed(draft.json) ?? {}).length === 0) found.json = 'json';
  if (!(SCHEDULES as readonly string[]).includes(draft.schedule) && draft.schedule.trim().split(/\s+/).length !== 5) found.schedule = 'schedule';
  return found;
}

export function settingsOf(draft: Draft): Record<string, unknown> {
  const own = Object.fromEntries(Object.entries(draft.settings).filter(([, value]) => value.trim() !== '').map(([name, value]) => [name, value.trim()]));
  const policies = draft.direction === 'destination' ? { ...(draft.client_policy ? { client_policy: draft.client_policy } : {}), ...(draft.removal_policy ? { removal_policy: draft.removal_policy } : {}) } : {};
  return { ...parsed(draft.json), ...own, ...policies };
}

/** What is sent to make it. */
export const requestOf = (draft: Draft): NewConnection => ({
  kind: draft.kind, direction: draft.direction, name: draft.name.trim(), base_url: draft.address.trim(),
  credentials: credentialsOf(draft.auth, draft.secrets), settings: settingsOf(draft) as Record<string, never>, schedule: draft.schedule.trim(),
});

/** Whether a change of address or of how we prove ourselves means that the secrets must be given anew. */
export const forgetsSecrets = (was: Pick<Connection, 'base_url' | 'credentials'>, address: string, auth: string) =>
  was.credentials !== 'none' && (was.base_url !== address.trim().replace(/\/+$/, '') || was.credentials !== auth);
