import { expect, test } from 'vitest';
import type { AccessRequest } from '../../lib/sharing.ts';
import { endOf, firstAnswer, lastDay, patientNumber, problems, stateOf } from './terms.ts';

const NOW = new Date(2026, 2, 10, 12).getTime();
const request = (expiry_date: string | null): AccessRequest => ({
  id: 'r', patient_id: 'p', status: 'pending', record_types: ['lab-results', 'vitals'], write_types: ['documents'], include_sensitive: ['hiv'], purpose: 'TREAT', created_at: '2026-03-09T10:00:00Z',
  provider_id: 'd', provider_name: 'Dana', provider_type: null, provider_organization: null, expiry_date,
});

test('an answer begins as asked, without what is sensitive and without copies', () => {
  expect(firstAnswer(request(new Date(2026, 3, 1, 9).toISOString()), NOW)).toEqual({ types: ['lab-results', 'vitals'], kinds: [], write_types: ['documents'], until: '2026-04-01', may_download: false });
  expect(firstAnswer(request(null), NOW).until).toBe('2026-06-08');
});

test('an answer gives less, never more', () => {
  const asked = request(new Date(2026, 3, 1, 9).toISOString());
  const first = firstAnswer(asked, NOW);
  const wrong = (part: Partial<typeof first>) => problems({ ...first, ...part }, asked, NOW);
  expect(wrong({})).toEqual({ types: false, until: false });
  expect(wrong({ types: ['vitals'], write_types: [] }).types).toBe(false);
  expect(wrong({ types: [], write_types: [] }).types).toBe(true);
  expect(wrong({ types: ['conditions'] }).types).toBe(true);
  expect(wrong({ write_types: ['vitals'] }).types).toBe(true);
  expect(wrong({ until: '2026-04-02' }).until).toBe(true);
  expect(wrong({ until: '2026-03-09' }).until).toBe(true);
  expect(wrong({ until: '' }).until).toBe(true);
  expect(wrong({ until: '2026-03-10' }).until).toBe(false);
});

test('access ends with its day, and never after what was asked', () => {
  const asked = request(new Date(2026, 3, 1, 9).toISOString());
  const first = firstAnswer(asked, NOW);
  expect(endOf(first, asked, NOW)).toBe(asked.expiry_date);
  expect(endOf({ ...first, until: '2026-03-20' }, asked, NOW)).toBe(new Date(2026, 2, 20, 23, 59, 59).toISOString());
  const open = request(null);
  expect(new Date(endOf({ ...first, until: lastDay(open, NOW) }, open, NOW)).getTime() - NOW).toBeLessThan(365 * 86_400_000);
});

test('a number is understood as people type it', () => {
  const id = '0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b';
  for (const typed of [id, id.toUpperCase(), ` ${id.replaceAll('-', ' ')} `, id.replaceAll('-', '')]) expect(patientNumber(typed)).toBe(id);
  for (const typed of ['', 'pat@example.org', id.slice(1), `${id}0`, id.replace('0', 'g')]) expect(patientNumber(typed), typed).toBeNull();
});

test('a status of a newer server is over', () => {
  expect(stateOf({ status: 'PENDING' })).toBe('pending');
  expect(stateOf({ status: 'withdrawn' })).toBe('expired');
});
