import { expect, test } from 'vitest';
import { isEmpty, PERIODS, periodQuery } from './periods.ts';

const NOW = new Date('2026-03-31T22:15:00Z');

test('periods begin with a whole day or month, and end now', () => {
  const asked = Object.fromEntries(PERIODS.map((one) => [one, new URLSearchParams(periodQuery(one, NOW))]));
  expect(Object.values(asked).map((one) => [one.get('from'), one.get('interval')])).toEqual([
    ['2026-03-02T00:00:00.000Z', 'day'], ['2026-01-01T00:00:00.000Z', 'week'], ['2025-04-01T00:00:00.000Z', 'month'], ['2023-04-01T00:00:00.000Z', 'month'],
  ]);
  expect(asked.days_30?.has('to')).toBe(false);
});

test('a time in which nothing happened is empty', () => {
  const none = { accesses: 0, downloads: 0, shares_created: 0, grants_created: 0, expirations: 0, revocations: 0 };
  expect(isEmpty(none)).toBe(true);
  expect(isEmpty({ ...none, expirations: 1 })).toBe(false);
});
