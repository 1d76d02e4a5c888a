/** Searching and sorting headers that are open on this device. Nothing is asked of the server. */
import type { RecordHeader, RecordType } from '../vault-worker/api.ts';

const plain = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

export interface Entry { header: RecordHeader; words: string; order: string }

/** What is searched and how it is sorted, made once for a list. */
export function entries(headers: RecordHeader[]): Entry[] {
  return headers
    .filter((header) => !header.supporting)
    .map((header) => ({
      header,
      words: plain([header.title, header.value, header.date, header.file_name, header.source, header.author_name, header.record_type.replace('-', ' '),
        ...header.codes.flatMap((code) => [code.display, code.code])].filter(Boolean).join(' ')),
      order: header.date ?? '',
    }))
    .sort((one, other) => (one.order < other.order ? 1 : one.order > other.order ? -1 : one.header.title.localeCompare(other.header.title)));
}

/** Entries that hold every word, in any order. */
export function find(all: Entry[], text: string, types: ReadonlySet<RecordType>): Entry[] {
  const words = plain(text).split(/\s+/).filter(Boolean);
  if (words.length === 0 && types.size === 0) return all;
  return all.filter((entry) => (types.size === 0 || types.has(entry.header.record_type)) && words.every((word) => entry.words.includes(word)));
}

export function countTypes(headers: RecordHeader[]): Map<RecordType, number> {
  const counts = new Map<RecordType, number>();
  for (const header of headers) {
    if (!header.supporting) counts.set(header.record_type, (counts.get(header.record_type) ?? 0) + 1);
  }
  return counts;
}
