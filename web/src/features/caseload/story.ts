/** The synchronization log as a story: what belongs together is told once, and what was only on its way is left out once it arrived. */
import type { LogLine } from '../../lib/practice.ts';

export interface Chapter {
  /** The newest line of those that are told together. */
  line: LogLine;
  /** How many there are, and the documents that they are about. */
  count: number;
  documents: string[];
  /** When the oldest of them was. */
  since: string;
}

/** Steps that only say that something began. */
const BEGINNINGS = new Set(['sync.queued', 'push.attempt']);

const about = (line: LogLine) => (line.document_id ? `${line.connection_id ?? ''} ${line.document_id}` : `${line.connection_id ?? ''} ${line.sync_id ?? ''}`);

/** Moments are written as short as they can be, and so are not sorted as texts. */
const when = (line: LogLine) => new Date(line.timestamp).getTime();

/** Lines as they came, newest first; the day is that of `dayOf`. */
export function story(lines: readonly LogLine[], dayOf: (timestamp: string) => string): Chapter[] {
  // Moments are exact to the millisecond: what began and ended within one has no order.
  const settled = new Map<string, number>();
  for (const line of lines) {
    if (!BEGINNINGS.has(line.step)) settled.set(about(line), Math.max(when(line), settled.get(about(line)) ?? 0));
  }
  const told: Chapter[] = [];
  for (const line of lines) {
    // Whatever came after it says more.
    if (BEGINNINGS.has(line.step) && when(line) <= (settled.get(about(line)) ?? 0)) continue;
    const last = told.at(-1);
    if (last && line.document_id && last.documents.length > 0 && last.line.step === line.step && last.line.connection_id === line.connection_id
      && last.line.details === line.details && last.line.action === line.action && dayOf(last.line.timestamp) === dayOf(line.timestamp)) {
      last.count += 1;
      last.since = line.timestamp;
      if (!last.documents.includes(line.document_id)) last.documents.push(line.document_id);
      continue;
    }
    told.push({ line, count: 1, documents: line.document_id ? [line.document_id] : [], since: line.timestamp });
  }
  return told;
}
