/** How long back counts are asked for, and in which steps. */
export const PERIODS = ['days_30', 'days_90', 'months_12', 'months_36'] as const;
export type Period = (typeof PERIODS)[number];

const SHAPES: Record<Period, { days?: number; months?: number; interval: 'day' | 'week' | 'month' }> = {
  days_30: { days: 30, interval: 'day' },
  days_90: { days: 90, interval: 'week' },
  months_12: { months: 12, interval: 'month' },
  months_36: { months: 36, interval: 'month' },
};

/** The query of `/api/analytics`: from a whole day or month on (UTC, as the server counts), until now. */
export function periodQuery(period: Period, now: Date): string {
  const { days, months, interval } = SHAPES[period];
  const from = days
    ? new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() - days + 1))
    : new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - (months ?? 0) + 1, 1));
  return new URLSearchParams({ from: from.toISOString(), interval }).toString();
}

export const COUNTS = ['accesses', 'downloads', 'shares_created', 'grants_created', 'expirations', 'revocations'] as const;
export type Count = (typeof COUNTS)[number];
export type Counts = Record<Count, number>;
export interface Series { from: string; to: string; interval: string; buckets: (Counts & { start: string })[]; totals: Counts }

export const isEmpty = (counts: Counts) => COUNTS.every((one) => counts[one] === 0);
