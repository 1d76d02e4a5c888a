/** Links and grants as one list, whatever holds them: what screens show of who has access. */
import type { Kind, RecordType } from '../vault-worker/api.ts';
import { call } from './api.ts';

export interface Access {
  id: string;
  kind: 'link' | 'account';
  patient: string;
  /** Who may: the recipient of a link, the provider of a grant. */
  name: string;
  email: string | null;
  /** The account that holds a grant. */
  provider: string | null;
  types: RecordType[];
  status: 'ACTIVE' | 'PENDING' | 'EXPIRED' | 'REVOKED';
  expires_at: string;
  valid_from: string | null;
  ended_at: string | null;
  opened: number;
  downloads: number;
  last_opened: string | null;
  may_download: boolean;
  may_write: boolean;
  write_types: RecordType[];
  single: boolean;
  created_at: string;
  kinds: Kind[];
  /** Single records, where not everything of the types. */
  records: string[] | null;
  needs_passcode: boolean;
  last_downloaded: string | null;
}

interface RecordShare {
  id: string; patientId: string; recipientEmail: string | null; recipientName: string | null; recordTypes: RecordType[];
  recordIds?: string[] | null; allowDownload: boolean; status: 'ACTIVE' | 'EXPIRED' | 'REVOKED'; expiryDate: string; validFrom?: string | null;
  accessCount: number; downloadCount: number; lastAccessed: string | null; lastDownloaded?: string | null; revokedAt: string | null; createdAt: string;
  includeSensitive?: Kind[]; needsPasscode?: boolean;
}

export interface Permission {
  id: string; patient_id: string; patient_name?: string | null; provider_id: string | null; provider_name?: string | null;
  record_types: RecordType[]; write_types?: RecordType[]; allow_write?: boolean; record_ids?: string[] | null; valid_from?: string | null; expiry_date: string; status: string;
  allow_download?: boolean; access_count?: number; download_count?: number; last_accessed?: string | null; ended_at?: string | null; created_at: string; purpose?: string; include_sensitive?: Kind[];
}

interface Items<T> { items: T[]; next: string | null }

/** A status follows the clock of whoever looks, not only of when it was asked for. */
export function statusAt(status: string, from: string | null, until: string, now: number): Access['status'] {
  const word = status.toUpperCase();
  if (word === 'REVOKED' || word === 'ENDED') return 'REVOKED';
  if (word === 'EXPIRED' || new Date(until).getTime() <= now) return 'EXPIRED';
  return from !== null && new Date(from).getTime() > now ? 'PENDING' : 'ACTIVE';
}

function ofShare(one: RecordShare): Access {
  const from = one.validFrom ?? null;
  return {
    id: one.id, kind: 'link', patient: one.patientId, name: one.recipientName || one.recipientEmail || '—', email: one.recipientEmail, provider: null,
    types: one.recordTypes, status: statusAt(one.status, from, one.expiryDate, Date.now()), expires_at: one.expiryDate, valid_from: from,
    ended_at: one.revokedAt, opened: one.accessCount, downloads: one.downloadCount, last_opened: one.lastAccessed, may_download: one.allowDownload,
    may_write: false, write_types: [], single: (one.recordIds?.length ?? 0) > 0, created_at: one.createdAt,
    kinds: one.includeSensitive ?? [], records: one.recordIds ?? null, needs_passcode: one.needsPasscode ?? false, last_downloaded: one.lastDownloaded ?? null,
  };
}

function ofPermission(one: Permission): Access {
  const from = one.valid_from ?? null;
  return {
    id: one.id, kind: 'account', patient: one.patient_id, name: one.provider_name ?? one.provider_id ?? '—', email: null, provider: one.provider_id, types: one.record_types,
    status: statusAt(one.status, from, one.expiry_date, Date.now()), expires_at: one.expiry_date, valid_from: from, ended_at: one.ended_at ?? null,
    opened: one.access_count ?? 0, downloads: one.download_count ?? 0, last_opened: one.last_accessed ?? null, may_download: one.allow_download ?? false,
    may_write: one.allow_write ?? (one.write_types?.length ?? 0) > 0, write_types: one.write_types ?? [], single: (one.record_ids?.length ?? 0) > 0, created_at: one.created_at,
    kinds: one.include_sensitive ?? [], records: one.record_ids?.length ? one.record_ids : null, needs_passcode: false, last_downloaded: null,
  };
}

/** Everything ever shared of a patient, the newest first. */
export async function allShares(patient: string): Promise<Access[]> {
  const [links, grants] = await Promise.all([
    call<Items<RecordShare>>('GET', '/api/records/share?limit=500'),
    call<Items<Permission>>('GET', '/api/sharing/permissions?status=all&limit=500'),
  ]);
  const known = new Set(links.items.map((one) => one.id));
  return [...links.items.map(ofShare), ...grants.items.filter((one) => one.provider_id && !known.has(one.id)).map(ofPermission)]
    .filter((one) => one.patient === patient)
    .sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
}

export const livingShares = (patient: string) => allShares(patient).then((all) => all.filter((one) => one.status === 'ACTIVE' || one.status === 'PENDING'));

/** What others share with whoever is signed in. */
export async function sharedWithMe(): Promise<Permission[]> {
  return (await call<Items<Permission>>('GET', '/api/sharing/permissions?status=all&limit=500')).items;
}

export interface Provider { id: string; name: string; type: string; organization: string | null; key_fingerprint?: string; fingerprint?: string }

export async function findProviders(text: string): Promise<Provider[]> {
  return (await call<Items<Provider>>('GET', `/api/providers?q=${encodeURIComponent(text)}`)).items;
}

export interface Visit { at: string; recipient: string | null }

/** Who opened a link, as they called themselves; the newest first. */
export async function listVisits(share: string): Promise<Visit[]> {
  return (await call<{ visits: Visit[] }>('GET', `/api/records/share/${share}`)).visits;
}

export interface AccessRequest {
  id: string; patient_id: string; status: string; record_types: RecordType[]; write_types: RecordType[]; include_sensitive: Kind[]; purpose: string; created_at: string;
  provider_id: string; provider_name: string; provider_type: string | null; provider_organization: string | null; expiry_date: string | null;
  answered_at?: string | null; grant_id?: string | null; message?: string | null;
}

export async function listRequests(): Promise<AccessRequest[]> {
  return (await call<Items<AccessRequest>>('GET', '/api/sharing/requests?limit=500')).items;
}
