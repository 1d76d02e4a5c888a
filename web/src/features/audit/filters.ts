/** What of the trail is shown: as the address says it, and as the server is asked for it. */
import { RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';

export const WHATS = ['reads', 'downloads', 'changes', 'sharing', 'account'] as const;
export type What = (typeof WHATS)[number];

/** Every word the trail knows, by what it is about. */
export const ACTIONS: Record<What, readonly string[]> = {
  reads: ['record.read', 'record.list', 'share.read', 'share.refuse'],
  downloads: ['record.download', 'record.export', 'share.download'],
  changes: ['record.create', 'record.update', 'record.delete', 'record.move', 'record.adopt', 'record.convert'],
  sharing: [
    'share.create', 'share.update', 'share.revoke', 'share.expire', 'share.link', 'share.files', 'share.ask', 'grant.create', 'grant.revoke', 'grant.change', 'grant.expire',
    'request.create', 'request.answer', 'epoch.begin', 'generation.begin', 'patient.keys',
  ],
  account: [
    'account.register', 'account.verify', 'account.update', 'account.expire', 'account.disable', 'account.delete', 'provider.verify', 'patient.update',
    'session.create', 'session.refuse', 'session.end', 'session.reuse', 'password.change', 'recovery.use', 'recovery.change', 'keys.change', 'job.retry', 'trail.begin',
  ],
};

export const GROUPS = ['reads', 'changes', 'sharing', 'other'] as const;
export type Group = (typeof GROUPS)[number];

export function groupOf(action: string): Group {
  if (ACTIONS.reads.includes(action) || ACTIONS.downloads.includes(action)) return 'reads';
  if (ACTIONS.changes.includes(action)) return 'changes';
  return ACTIONS.sharing.includes(action) ? 'sharing' : 'other';
}

export interface Filter { who?: string; what?: What; type?: RecordType; from?: string; to?: string }

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Takes what is a filter from an address, and nothing else. */
export function readFilter(search: Record<string, unknown>): Filter {
  const { who, what, type, from, to } = search;
  const day = (value: unknown) => typeof value === 'string' && DAY.test(value) && !Number.isNaN(new Date(value).getTime());
  return {
    ...(typeof who === 'string' && (who === 'me' || ID.test(who)) ? { who } : {}),
    ...(WHATS.includes(what as What) ? { what: what as What } : {}),
    ...(RECORD_TYPES.includes(type as RecordType) ? { type: type as RecordType } : {}),
    ...(day(from) ? { from: from as string } : {}),
    ...(day(to) ? { to: to as string } : {}),
  };
}

export const isFiltered = (filter: Filter) => Object.keys(filter).length > 0;
export const inOrder = ({ from, to }: Filter) => !from || !to || from <= to;

export interface Asker { account: string; patient: string | null }

/**
 * The query of `GET /api/audit`. What happened to one's record and what one did
 * oneself are two lists there: sign-ins belong to nobody's record.
 */
export function askFor(filter: Filter, { account, patient }: Asker, cursor: string): string {
  const query = new URLSearchParams({ limit: '500' });
  const own = filter.what === 'account';
  if (patient && !own) query.set('patient_id', patient);
  const actor = own || filter.who === 'me' ? account : filter.who;
  if (actor) query.set('actor', actor);
  if (filter.what) query.set('action', ACTIONS[filter.what].join(','));
  // Days are the reader's own; the last one is meant whole.
  if (filter.from) query.set('from', new Date(`${filter.from}T00:00:00`).toISOString());
  if (filter.to) {
    const end = new Date(`${filter.to}T00:00:00`);
    end.setDate(end.getDate() + 1);
    query.set('to', end.toISOString());
  }
  if (cursor) query.set('cursor', cursor);
  return query.toString();
}

/** A day as a form has it, from a moment in seconds. */
export function dayOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}
