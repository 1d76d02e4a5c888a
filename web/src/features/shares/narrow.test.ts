import { expect, test } from 'vitest';
import type { Access } from '../../lib/sharing.ts';
import { asItIs, endOf, lastDay, problem } from './narrow.ts';

const NOW = new Date('2026-11-22T12:00:00Z').getTime();
const share: Access = {
  id: 'g', kind: 'account', patient: 'p', name: 'Dana', email: null, provider: 'd', types: ['lab-results', 'diet'], status: 'ACTIVE', expires_at: '2027-02-01T12:00:00Z',
  valid_from: null, ended_at: null, opened: 0, downloads: 0, last_opened: null, may_download: true, may_write: true, write_types: ['diet'], single: false,
  created_at: '2026-11-01T00:00:00Z', kinds: ['hiv'], records: null, needs_passcode: false, last_downloaded: null,
};
const less = (part: object) => ({ ...asItIs(share), ...part });

test('less is less of anything, and the same is not less', () => {
  expect(problem(asItIs(share), share, NOW)).toBe('same');
  for (const part of [{ types: ['diet'] }, { write_types: [] }, { kinds: [] }, { may_download: false }, { until: '2026-12-01' }]) expect(problem(less(part), share, NOW), JSON.stringify(part)).toBeNull();
});

test('nobody gets more, longer, or nothing under the name of less', () => {
  expect(problem(less({ types: ['diet', 'imaging'], may_download: false }), share, NOW)).toBe('same');
  expect(problem(less({ write_types: ['diet', 'lab-results'], kinds: [] }), share, NOW)).toBe('same');
  expect(problem(asItIs(share), { ...share, may_download: false }, NOW)).toBe('same');
  expect(problem(less({ types: [], write_types: [] }), share, NOW)).toBe('nothing');
  for (const until of ['2026-11-20', '2027-02-03', '', 'soon']) expect(problem(less({ until }), share, NOW), until).toBe('until');
});

test('it ends with the day that was chosen, and never after what it replaces', () => {
  expect(endOf(less({ until: lastDay(share) }), share)).toBe('2027-02-01T12:00:00.000Z');
  expect(new Date(endOf(less({ until: '2026-12-01' }), share)).getTime()).toBe(new Date('2026-12-01T23:59:59').getTime());
});
