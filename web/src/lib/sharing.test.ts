import { expect, test } from 'vitest';
import { statusAt } from './sharing.ts';

const now = Date.UTC(2026, 5, 1);
const at = (days: number) => new Date(now + days * 86_400_000).toISOString();

test('what ran out while the screen was open is shown as expired', () => {
  expect(statusAt('ACTIVE', null, at(1), now)).toBe('ACTIVE');
  expect(statusAt('ACTIVE', null, at(1), now + 2 * 86_400_000)).toBe('EXPIRED');
});

test('revoked stays revoked, and what starts later is not active yet', () => {
  expect(statusAt('revoked', null, at(9), now)).toBe('REVOKED');
  expect(statusAt('active', at(2), at(9), now)).toBe('PENDING');
});
