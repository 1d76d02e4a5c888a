/**
 * A practice's list of contacts, read from CSV as other programs export it:
 * which column is what, and of every row whether a chart can be opened with it.
 * It knows neither screens nor the server.
 */
import Papa from 'papaparse';
import type { NewChart } from '../../vault-worker/api.ts';

/** Largest file, in bytes, and most rows, that are taken at once. */
export const MAX_BYTES = 5_000_000;
export const MAX_ROWS = 5_000;
const MAX_COLUMNS = 200;

export const FIELDS = ['name', 'first', 'middle', 'last', 'email', 'birth', 'phone', 'address', 'platform', 'diet', 'history', 'contact'] as const;
export type Field = (typeof FIELDS)[number];
/** What each column is; null for those that are left out. */
export type Columns = (Field | null)[];

/** In which order days and months are written where both could be meant. */
export type DateOrder = 'day' | 'month';

export interface List { header: string[]; rows: string[][]; /** What the reader of the file complained of. */ torn: boolean }

export type Problem = 'name' | 'email' | 'email_wrong' | 'birth' | 'birth_order' | 'long' | 'twice';
export interface Contact { /** Its line among the rows, from 1. */ row: number; chart: NewChart; problems: Problem[]; known: boolean }

/** Words for each column, without regard to case and signs; the more telling first. */
const WORDS: [Field, RegExp][] = [
  ['email', /^(e ?mail|correo)|e ?mail$|email address/],
  ['first', /^(first|given|fore) ?name|^nombre\(s\)|^vorname|^pr[ée]nom|^first$/],
  ['middle', /^middle/],
  ['last', /^(last|family|sur) ?name|^surname|^apellido|^nachname|^last$/],
  ['birth', /birth|^dob$|born|nacimiento|geburt|naissance/],
  ['platform', /^(carepatron|client|contact|patient|customer)? ?(id|number|no|reference|ref)$|^carepatron/],
  ['phone', /phone|mobile|^cell|^tel|tel[ée]fono|m[óo]vil/],
  ['diet', /diet|food|preferenc|allerg.*diet/],
  ['history', /medical|history|anamnes|diagnos/],
  ['address', /address|street|^city|postcode|zip|direcci[óo]n|^state$|^country$/],
  ['contact', /^contact details|^contact$/],
  ['name', /^(full|client|patient|contact|display|preferred)? ?name$|^nombre|^(client|patient)$/],
];

const bare = (text: string) => text.toLowerCase().normalize('NFC').replace(/[_\-./:*]+/g, ' ').replace(/\s+/g, ' ').trim();

/** What a column is by its heading. */
function fieldOf(heading: string): Field | null {
  const words = bare(heading);
  return WORDS.find(([, form]) => form.test(words))?.[0] ?? null;
}

/** Several columns may make up these; of the others one counts. */
const MANY = new Set<Field>(['phone', 'address', 'contact', 'diet', 'history']);

export function guess(header: readonly string[]): Columns {
  const taken = new Set<Field>();
  const columns = header.map((heading): Field | null => {
    const field = fieldOf(heading);
    if (!field || (taken.has(field) && !MANY.has(field))) return null;
    taken.add(field);
    return field;
  });
  // Beside a family name, "name" is the other part of it.
  if (taken.has('last') && !taken.has('first')) return columns.map((one) => (one === 'name' ? 'first' : one));
  // A whole name beside its parts is the same again.
  return taken.has('first') && taken.has('last') ? columns.map((one) => (one === 'name' ? null : one)) : columns;
}

/** A file's text whatever program wrote it: UTF-8, UTF-16 by its mark, else the code page of older Windows. */
export function decode(bytes: ArrayBuffer): string {
  const start = new Uint8Array(bytes.slice(0, 2));
  if (start[0] === 0xff && start[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (start[0] === 0xfe && start[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The first line names the columns. Null where there is nothing to read. */
export function read(text: string): List | null {
  const parsed = Papa.parse<string[]>(text.replace(/^\uFEFF/, ''), { skipEmptyLines: 'greedy', preview: MAX_ROWS + 2 });
  const [header, ...rows] = parsed.data;
  if (!header || header.length === 0 || rows.length === 0) return null;
  return {
    header: header.slice(0, MAX_COLUMNS).map((one) => one.trim()),
    rows: rows.map((row) => row.slice(0, MAX_COLUMNS).map((one) => one.trim())),
    torn: parsed.errors.some((one) => one.type === 'Quotes'),
  };
}

const EMAIL = /^[^\s@,;<>()"]+@[^\s@,;<>()"]+\.[^\s@,;<>()".]+$/;
const PARTS = /^(\d{1,2})[./\- ](\d{1,2})[./\- ](\d{4})$/;

function dayOf(year: number, month: number, date: number, now: number): string | null {
  const at = new Date(Date.UTC(year, month - 1, date));
  if (at.getUTCFullYear() !== year || at.getUTCMonth() !== month - 1 || at.getUTCDate() !== date) return null;
  return year < 1880 || at.getTime() > now ? null : at.toISOString().slice(0, 10);
}

/** `YYYY-MM-DD`, or why not: two orders are possible, or none. */
export function birthDay(text: string, order: DateOrder | null, now: number): string | Problem {
  const whole = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?$/.exec(text);
  if (whole) return dayOf(Number(whole[1]), Number(whole[2]), Number(whole[3]), now) ?? 'birth';
  const parts = PARTS.exec(text);
  if (!parts) return 'birth';
  const [one, other, year] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const way = one > 12 ? 'day' : other > 12 ? 'month' : one === other ? 'day' : order;
  if (!way) return 'birth_order';
  return (way === 'day' ? dayOf(year, other, one, now) : dayOf(year, one, other, now)) ?? 'birth';
}

/** How this file writes days, where any of them can only be meant one way. */
export function orderOf(list: List, columns: Columns): DateOrder | null {
  const at = columns.indexOf('birth');
  if (at < 0) return null;
  for (const row of list.rows) {
    const parts = PARTS.exec(row[at] ?? '');
    if (parts && Number(parts[1]) > 12) return 'day';
    if (parts && Number(parts[2]) > 12) return 'month';
  }
  return null;
}

/** Longest texts, as the server takes them. */
const LONGEST = { name: 200, email: 254, platform: 64, contact: 2000, text: 100_000 };

/** Whom one has charts of already, by what tells them apart. */
export interface Known { email?: string | null; carepatron_patient_id?: string | null }

const marks = (chart: Known) => [
  chart.email ? `mail:${chart.email.toLowerCase()}` : '',
  chart.carepatron_patient_id ? `id:${chart.carepatron_patient_id}` : '',
].filter(Boolean);

export function contacts(list: List, columns: Columns, order: DateOrder | null, known: readonly Known[], now: number): Contact[] {
  const there = new Set(known.flatMap(marks));
  const seen = new Set<string>();
  return list.rows.slice(0, MAX_ROWS).map((cells, at) => {
    const all = (field: Field) => columns.flatMap((one, place) => (one === field && cells[place] ? [cells[place]] : []));
    const one = (field: Field) => all(field)[0] ?? '';
    const problems: Problem[] = [];
    const name = one('name') || [one('first'), one('middle'), one('last')].filter(Boolean).join(' ');
    if (!name) problems.push('name');
    const email = one('email').replace(/^mailto:/i, '');
    if (!email) problems.push('email');
    else if (!EMAIL.test(email)) problems.push('email_wrong');
    const written = one('birth');
    const birth = written ? birthDay(written, order, now) : null;
    const understood = birth !== null && /^\d/.test(birth);
    if (birth !== null && !understood) problems.push(birth as Problem);
    const contact = [...all('phone'), ...(all('address').length ? [all('address').join(', ')] : []), ...all('contact')].join('\n');
    const chart: NewChart = {
      name, email, date_of_birth: understood ? birth : null, contact_details: contact || null, carepatron_patient_id: one('platform') || null,
      dietary_preferences: all('diet').join('\n') || null, medical_history: all('history').join('\n') || null,
    };
    if (name.length > LONGEST.name || email.length > LONGEST.email || one('platform').length > LONGEST.platform || contact.length > LONGEST.contact
      || Math.max(chart.dietary_preferences?.length ?? 0, chart.medical_history?.length ?? 0) > LONGEST.text) problems.push('long');
    const own = marks(chart);
    if (own.some((mark) => seen.has(mark))) problems.push('twice');
    for (const mark of own) seen.add(mark);
    return { row: at + 1, chart, problems, known: own.some((mark) => there.has(mark)) };
  });
}

/** Rows as a file to go on with later. */
export function write(list: readonly Contact[]): string {
  const columns = { name: 'Name', email: 'Email', date_of_birth: 'Date of birth', contact_details: 'Contact details', carepatron_patient_id: 'Client ID', dietary_preferences: 'Dietary preferences', medical_history: 'Medical history' } as const;
  const keys = Object.keys(columns) as (keyof typeof columns)[];
  return Papa.unparse({ fields: keys.map((key) => columns[key]), data: list.map(({ chart }) => keys.map((key) => chart[key] ?? '')) }, { escapeFormulae: true });
}
