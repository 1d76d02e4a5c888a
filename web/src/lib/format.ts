/** Dates, numbers and sizes in the reader's own manner. */
import i18next from 'i18next';

const locale = () => i18next.language || 'en';
const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale() + JSON.stringify(options);
  const known = cache.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(locale(), options);
  cache.set(key, made);
  return made;
}

/** A FHIR date or dateTime, no more exact than it came. */
export function clinicalDate(text: string | null | undefined): string {
  if (!text) return '';
  const parts = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?/.exec(text);
  if (!parts) return text;
  const [, year, month, day] = parts;
  const at = new Date(Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1)));
  if (Number.isNaN(at.getTime())) return text;
  if (!month) return String(year);
  if (!day) return formatter({ year: 'numeric', month: 'short', timeZone: 'UTC' }).format(at);
  return formatter({ year: 'numeric', month: 'short', day: 'numeric', timeZone: 'UTC' }).format(at);
}

/** A moment in the reader's time zone. */
export function moment(text: string | null | undefined): string {
  if (!text) return '';
  return formatter({ dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

export function day(text: string | null | undefined): string {
  if (!text) return '';
  return formatter({ dateStyle: 'long' }).format(new Date(text));
}

/** A day by its moment in seconds, short: for the buckets of a chart. */
export function dayName(seconds: number): string {
  return formatter({ year: 'numeric', month: 'short', day: 'numeric' }).format(new Date(seconds * 1000));
}

/** The same on an axis: by month where a year or more is shown. */
export function tickName(seconds: number, long: boolean): string {
  return formatter(long ? { year: '2-digit', month: 'short' } : { month: 'short', day: 'numeric' }).format(new Date(seconds * 1000));
}

/** How far away a moment is: "in 3 days", "2 hours ago". */
export function away(text: string, now = Date.now()): string {
  const seconds = (new Date(text).getTime() - now) / 1000;
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  const units: [Intl.RelativeTimeFormatUnit, number][] = [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3600], ['minute', 60]];
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(0, 'minute');
}

/** How long something lasts, in its largest two units: "3 days, 4 hours". */
export function lasting(seconds: number): string {
  const units: ['day' | 'hour' | 'minute', number][] = [['day', 86_400], ['hour', 3600], ['minute', 60]];
  let rest = Math.max(0, seconds);
  const parts = units.map(([unit, length]) => {
    const value = Math.floor(rest / length);
    rest -= value * length;
    return { unit, value };
  });
  const first = parts.findIndex(({ value }) => value > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2).filter(({ value }) => value > 0);
  return shown.map(({ unit, value }) => new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'long' }).format(value)).join(', ');
}

export function count(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

export function size(bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
  const step = Math.min(3, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const unit = units[step] ?? 'byte';
  return new Intl.NumberFormat(locale(), { style: 'unit', unit, maximumFractionDigits: step ? 1 : 0 }).format(bytes / 1000 ** step);
}
