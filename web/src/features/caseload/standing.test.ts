import { expect, test } from 'vitest';
import type { Attachment, Chart, Connection } from '../../lib/practice.ts';
import { accessOf, cases, claimOf, found, sorted, syncOf } from './standing.ts';

const NOW = new Date('2026-11-22T10:00:00Z').getTime();
const chart = (part: Partial<Chart> = {}): Chart => ({ id: 'p', name: 'Ann', claimed: false, created_at: '2026-11-02T10:00:00Z', expires_at: '2027-05-01T10:00:00Z', invited_until: '2026-12-02T10:00:00Z', user_id: 'me', ...part });
const attached = (part: Partial<Attachment> = {}): Attachment => ({ connection_id: 'c', patient_id: 'p', record_types: [], state: 'ok', created_at: '', last_run_at: '2026-11-22T09:00:00Z', ...part });
const connection = (part: Partial<Connection> = {}) => ({ id: 'c', name: 'City Hospital', state: 'ok', direction: 'source', kind: 'fhir', ...part }) as Connection;

test('a chart that waits says for how long, and is urgent two weeks before its end', () => {
  expect(claimOf(chart(), NOW)).toEqual({ is: 'waiting', days: 20, expires: '2027-05-01T10:00:00Z', soon: false, lapsed: false });
  expect(claimOf(chart({ expires_at: '2026-12-01T10:00:00Z' }), NOW)).toMatchObject({ soon: true });
  expect(claimOf(chart({ invited_until: '2026-11-20T10:00:00Z' }), NOW)).toMatchObject({ lapsed: true });
  expect(claimOf(chart({ claimed: true }), NOW)).toEqual({ is: 'claimed' });
  expect(claimOf(chart({ claimed: true, user_id: null }), NOW)).toEqual({ is: 'own' });
});

test('access to a claimed chart ends when its patient said', () => {
  expect(accessOf(chart(), NOW)).toEqual({ is: 'open' });
  expect(accessOf(chart({ claimed: true, access_ends_at: '2026-12-01T00:00:00Z' }), NOW)).toEqual({ is: 'until', end: '2026-12-01T00:00:00Z', soon: true });
  expect(accessOf(chart({ claimed: true, access_ends_at: '2027-06-01T00:00:00Z' }), NOW)).toMatchObject({ soon: false });
  expect(accessOf(chart({ claimed: true, access_ends_at: '2026-11-01T00:00:00Z' }), NOW)).toEqual({ is: 'ended' });
  expect(accessOf(chart({ claimed: true, access_ends_at: null }), NOW)).toEqual({ is: 'ended' });
});

test('of several connections the one in trouble is told', () => {
  const fine = new Map([['c', connection()], ['d', connection({ id: 'd', name: 'Platform', state: 'needs_attention', problem: 'connection.auth' })]]);
  expect(syncOf([], fine)).toEqual({ is: 'none' });
  expect(syncOf([attached()], fine)).toEqual({ is: 'ok', at: '2026-11-22T09:00:00Z' });
  expect(syncOf([attached({ last_run_at: null })], fine)).toEqual({ is: 'waiting' });
  expect(syncOf([attached(), attached({ connection_id: 'd' })], fine)).toEqual({ is: 'trouble', problem: 'connection.auth', name: 'Platform' });
  expect(syncOf([attached({ state: 'paused' })], fine)).toEqual({ is: 'paused' });
});

test('a caseload is searched without regard to accents and sorted by what ends first', () => {
  const all = cases([chart({ name: 'Zoë Ölçer', email: 'zoe@example.org' }), chart({ id: 'q', name: 'Ann', expires_at: '2026-12-01T10:00:00Z' })], [], [], NOW);
  expect(found(all, 'all', 'olcer zoe').map((one) => one.chart.name)).toEqual(['Zoë Ölçer']);
  expect(found(all, 'ending', '').map((one) => one.chart.name)).toEqual(['Ann']);
  expect(sorted(all, 'ending', 'en').map((one) => one.chart.name)).toEqual(['Ann', 'Zoë Ölçer']);
  expect(sorted(all, 'name', 'en').map((one) => one.chart.name)).toEqual(['Ann', 'Zoë Ölçer']);
});
