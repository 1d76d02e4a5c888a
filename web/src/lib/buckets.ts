/** Moments counted by day, week or month, in the reader's own time zone. */
export type Step = 'day' | 'week' | 'month';

/** Most buckets of one chart. */
const MOST = 400;

/** A step that leaves a chart readable, for a span in milliseconds. */
export function stepFor(from: number, to: number): Step {
  const days = (to - from) / 86_400_000;
  return days <= 62 ? 'day' : days <= 400 ? 'week' : 'month';
}

/** The beginning of the bucket that a moment falls into. Weeks begin on Monday. */
export function beginning(moment: number, step: Step): Date {
  const date = new Date(moment);
  const day = new Date(date.getFullYear(), date.getMonth(), date.getDate());
  if (step === 'week') day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
  if (step === 'month') day.setDate(1);
  return day;
}

/** The next bucket. By the calendar, since days are not all of one length. */
function after(date: Date, step: Step): Date {
  const next = new Date(date);
  if (step === 'month') next.setMonth(next.getMonth() + 1);
  else next.setDate(next.getDate() + (step === 'week' ? 7 : 1));
  return next;
}

export interface Buckets<G extends string> { step: Step; at: number[]; counts: Record<G, number[]> }

/** Every bucket between the first moment and the last, those without anything as well. `at` is in seconds. */
export function bucket<G extends string>(moments: { at: number; group: G }[], groups: readonly G[]): Buckets<G> {
  const times = moments.map((one) => one.at).filter((one) => Number.isFinite(one));
  const first = times.reduce((one, other) => Math.min(one, other), Infinity);
  const last = times.reduce((one, other) => Math.max(one, other), -Infinity);
  const step = times.length ? stepFor(first, last) : 'day';
  const at: number[] = [];
  const places = new Map<number, number>();
  if (times.length) {
    for (let date = beginning(first, step); date.getTime() <= last && at.length < MOST; date = after(date, step)) {
      places.set(date.getTime(), at.length);
      at.push(date.getTime() / 1000);
    }
  }
  const counts = Object.fromEntries(groups.map((group) => [group, at.map(() => 0)])) as Record<G, number[]>;
  for (const one of moments) {
    const place = places.get(beginning(one.at, step).getTime());
    const row = counts[one.group];
    if (place !== undefined && row) row[place] = (row[place] ?? 0) + 1;
  }
  return { step, at, counts };
}
