/** From a series of the clinical document to what a chart draws. */
import type { Series } from '../vault-worker/api.ts';

const MONTH = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?/;

/** A partial date as seconds since 1970, at its beginning; null where there is none. */
export function seconds(date: string | null, time: string | null): number | null {
  const parts = MONTH.exec(date ?? '');
  if (!parts) return null;
  const [, year, month, day] = parts;
  const [hours, minutes] = (time ?? '00:00').split(':').map(Number);
  return Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1), hours ?? 0, minutes ?? 0) / 1000;
}

/** Only what is plainly a number: `<5`, `120/80` and words stay in the table. */
export function number(text: string): number | null {
  const plain = text.trim().replace(/\u2212/g, '-');
  return /^-?\d+(\.\d+)?$/.test(plain) ? Number(plain) : null;
}

export function dots(series: Series): { at: number; value: number }[] {
  return series.points
    .map((point) => ({ at: seconds(point.date, point.time), value: number(point.value) }))
    .filter((dot): dot is { at: number; value: number } => dot.at !== null && dot.value !== null)
    .sort((one, other) => one.at - other.at);
}

/** A range's ends from its text (`3.5–5.1`, `< 200`, `≥ 60`); null where an end is open or unclear. */
export function ends(range: string | null): [number | null, number | null] {
  if (!range) return [null, null];
  const between = /^(-?\d+(?:\.\d+)?)\s*(?:–|-|to)\s*(-?\d+(?:\.\d+)?)/.exec(range);
  if (between) return [Number(between[1]), Number(between[2])];
  const one = /^(<=?|≤|>=?|≥)\s*(-?\d+(?:\.\d+)?)/.exec(range);
  if (!one) return [null, null];
  return one[1]?.startsWith('<') || one[1] === '≤' ? [null, Number(one[2])] : [Number(one[2]), null];
}
