/** What is asked for and what is answered: an answer may give less, never more. */
import type { AccessRequest } from '../../lib/sharing.ts';
import type { Kind, RecordType } from '../../vault-worker/api.ts';

const DAY = 86_400_000;
/** What an answer lasts where the request said nothing. */
const USUAL_DAYS = 90;
/** The longest a grant may last. */
const LONGEST_DAYS = 365;

export const STATES = ['pending', 'approved', 'denied', 'expired'] as const;
export type State = (typeof STATES)[number];
export const stateOf = (request: { status: string }): State => STATES.find((one) => one === request.status.toLowerCase()) ?? 'expired';

export interface Answer { types: RecordType[]; kinds: Kind[]; write_types: RecordType[]; until: string; may_download: boolean }

const local = (date: Date) => [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0')).join('-');

/** The last day that may be answered, as a form has it. */
export function lastDay(request: Pick<AccessRequest, 'expiry_date'>, now: number): string {
  const longest = now + LONGEST_DAYS * DAY;
  const asked = request.expiry_date ? new Date(request.expiry_date).getTime() : longest;
  return local(new Date(Math.min(longest, asked)));
}

/** The first day that may be answered: what is allowed lasts till its end. */
export const firstDay = (now: number) => local(new Date(now));

/** What stands in the form at first: as asked, without what is sensitive, and no copies. */
export function firstAnswer(request: AccessRequest, now: number): Answer {
  const usual = local(new Date(now + USUAL_DAYS * DAY));
  const last = lastDay(request, now);
  return { types: request.record_types, kinds: [], write_types: request.write_types, until: request.expiry_date || last < usual ? last : usual, may_download: false };
}

export interface Problems { types: boolean; until: boolean }

export function problems(answer: Answer, request: AccessRequest, now: number): Problems {
  const inside = answer.types.every((one) => request.record_types.includes(one)) && answer.write_types.every((one) => request.write_types.includes(one));
  return {
    types: !inside || answer.types.length + answer.write_types.length === 0,
    until: !/^\d{4}-\d{2}-\d{2}$/.test(answer.until) || answer.until < firstDay(now) || answer.until > lastDay(request, now),
  };
}

/** The moment a day ends, but never later than was asked. */
export function endOf(answer: Answer, request: Pick<AccessRequest, 'expiry_date'>, now: number): string {
  const end = new Date(`${answer.until}T23:59:59`).getTime();
  const asked = request.expiry_date ? new Date(request.expiry_date).getTime() : Infinity;
  // A year is the server's limit, to the second; leave it a little.
  return new Date(Math.min(end, asked, now + LONGEST_DAYS * DAY - 60_000)).toISOString();
}

/** A patient's number as people type it: with spaces, in capitals, with any dashes. */
export function patientNumber(typed: string): string | null {
  const bare = typed.toLowerCase().replace(/[^0-9a-z]/g, '');
  if (!/^[0-9a-f]{32}$/.test(bare)) return null;
  return [bare.slice(0, 8), bare.slice(8, 12), bare.slice(12, 16), bare.slice(16, 20), bare.slice(20)].join('-');
}
