import { expect, test } from 'vitest';
import { beginning, bucket, stepFor } from './buckets.ts';

const at = (text: string) => new Date(text).getTime();

test('every moment is counted once, and days without any stand between', () => {
  const { step, at: days, counts } = bucket(
    [{ at: at('2026-03-01T23:30:00'), group: 'a' }, { at: at('2026-03-04T00:10:00'), group: 'b' }, { at: at('2026-03-04T20:00:00'), group: 'a' }],
    ['a', 'b'],
  );
  expect(step).toBe('day');
  expect(days).toHaveLength(4);
  expect(counts).toEqual({ a: [1, 0, 0, 1], b: [0, 0, 0, 1] });
});

test('a longer time is counted by week, then by month', () => {
  expect(stepFor(at('2026-01-01'), at('2026-02-01'))).toBe('day');
  expect(stepFor(at('2026-01-01'), at('2026-09-01'))).toBe('week');
  expect(stepFor(at('2020-01-01'), at('2026-09-01'))).toBe('month');
  expect(beginning(at('2026-03-01T12:00:00'), 'week').getDate()).toBe(23);
  const months = bucket([{ at: at('2024-10-30T12:00:00'), group: 'a' }, { at: at('2026-01-01T12:00:00'), group: 'a' }], ['a']);
  expect(months.at).toHaveLength(16);
  expect(months.counts.a.reduce((sum, one) => sum + one, 0)).toBe(2);
});

test('days on which clocks change are days like others', () => {
  const days = Array.from({ length: 60 }, (_, n) => ({ at: new Date(2026, 2, 1 + n, 12).getTime(), group: 'a' as const }));
  expect(bucket(days, ['a']).counts.a).toEqual(Array(60).fill(1));
});

test('nothing makes no chart', () => {
  expect(bucket([], ['a']).at).toEqual([]);
  expect(bucket([{ at: Number.NaN, group: 'a' }], ['a']).at).toEqual([]);
});
