/** What of a record is shared: from what somebody chose to the terms that say it. Pure. */
import type { Kind, RecordHeader, RecordType } from '../../vault-worker/api.ts';

/** Most single records that one grant names. */
export const MOST_RECORDS = 10_000;

export interface Choice {
  /** Whole types, or records picked one by one. */
  scope: 'types' | 'records';
  recordTypes: RecordType[];
  recordIds: string[];
  /** Only what is dated from and to these days, both included. */
  from: string | null;
  to: string | null;
  /** Whether what comes later is part of it. */
  includeFuture: boolean;
  includeSensitive: Kind[];
}

/** What the vault is asked to grant. */
export interface Cut { types: RecordType[]; kinds: Kind[]; records: string[] | null }

/** First and last day of a date that may be as partial as a year. */
function span(date: string): [string, string] {
  const day = date.slice(0, 10);
  if (day.length === 4) return [`${day}-01-01`, `${day}-12-31`];
  if (day.length === 7) return [`${day}-01`, `${day}-31`];
  return [day, day];
}

const dated = ({ from, to }: Choice) => from !== null || to !== null;

function within(record: RecordHeader, { from, to }: Choice): boolean {
  if (!record.date) return false;
  const [first, last] = span(record.date);
  return (from === null || last >= from) && (to === null || first <= to);
}

/** Whether the terms stand for whole types, and so for what comes later. */
export const isLive = (choice: Choice) => choice.scope === 'types' && choice.includeFuture && !dated(choice);

const allowed = (record: RecordHeader, choice: Choice) => record.kinds.every((kind) => choice.includeSensitive.includes(kind));

/** Records that somebody reached for, before sensitive ones are left out. */
function reached(records: RecordHeader[], choice: Choice): RecordHeader[] {
  const own = records.filter((one) => !one.supporting);
  if (choice.scope === 'records') {
    const picked = new Set(choice.recordIds);
    return own.filter((one) => picked.has(one.id));
  }
  const types = new Set(choice.recordTypes);
  return own.filter((one) => types.has(one.record_type) && (!dated(choice) || within(one, choice)));
}

/** Exactly what a recipient would see now. */
export const seen = (records: RecordHeader[], choice: Choice) => reached(records, choice).filter((one) => allowed(one, choice));

/** Kinds among what was reached for, and how many records have each. */
export function sensitiveOf(records: RecordHeader[], choice: Choice): Map<Kind, number> {
  const kinds = new Map<Kind, number>();
  for (const one of choice.scope === 'records' ? records.filter((record) => !record.supporting) : reached(records, choice)) {
    for (const kind of one.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}

/** Records of the chosen types that a range of dates leaves out because they have none. */
export function undated(records: RecordHeader[], choice: Choice): number {
  if (choice.scope !== 'types' || !dated(choice)) return 0;
  const types = new Set(choice.recordTypes);
  return records.filter((one) => !one.supporting && types.has(one.record_type) && !one.date && allowed(one, choice)).length;
}

export function cut(records: RecordHeader[], choice: Choice): Cut {
  if (isLive(choice)) return { types: choice.recordTypes, kinds: choice.includeSensitive, records: null };
  const shown = seen(records, choice);
  return {
    types: [...new Set(shown.map((one) => one.record_type))],
    kinds: [...new Set(shown.flatMap((one) => one.kinds))],
    records: shown.map((one) => one.id),
  };
}

export type ChoiceProblem = 'choose_type' | 'choose_record' | 'choose_range' | 'nothing_chosen' | 'too_many';

/** What is wrong with a choice; nothing where it can be granted. */
export function problemOf(records: RecordHeader[], choice: Choice): ChoiceProblem | null {
  if (choice.scope === 'types' && choice.recordTypes.length === 0) return 'choose_type';
  if (choice.scope === 'records' && choice.recordIds.length === 0) return 'choose_record';
  if (choice.from && choice.to && choice.from > choice.to) return 'choose_range';
  if (isLive(choice)) return null;
  const shown = seen(records, choice).length;
  if (shown === 0) return 'nothing_chosen';
  return shown > MOST_RECORDS ? 'too_many' : null;
}
