import { expect, test } from 'vitest';
import { TOPICS } from '../vault-worker/api.ts';
import { nextChange, queriesOf } from './live.ts';

test('whatever is heard of, something is asked again', () => {
  for (const topic of TOPICS) {
    const keys = queriesOf(topic);
    if (topic === 'reset') expect(keys).toBeNull();
    else expect(keys?.length, topic).toBeGreaterThan(0);
  }
});

test('access that ended closes what was open under it', () => {
  expect(queriesOf('grants')).toContainEqual(['vault']);
  expect(queriesOf('grants')).toContainEqual(['shared-with-me']);
  expect(queriesOf('requests')).toContainEqual(['requests']);
});

test('what begins or ends by the clock is looked at just after', () => {
  const now = new Date('2026-01-01T00:00:00Z').getTime();
  expect(nextChange(['2026-01-01T00:01:00Z', '2026-01-02T00:00:00Z', '2025-12-31T00:00:00Z', null], now)).toBe(61_000);
  expect(nextChange(['2025-12-31T00:00:00Z', null, undefined, 'nonsense'], now)).toBe(false);
  expect(nextChange(['2099-01-01T00:00:00Z'], now)).toBeLessThan(2 ** 31);
});
