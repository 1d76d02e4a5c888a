import { expect, test } from 'vitest';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { type Choice, cut, problemOf, seen, sensitiveOf, undated } from './choose.ts';

const record = (id: string, more: Partial<RecordHeader> = {}) =>
  ({ id, record_type: 'lab-results', kinds: [], supporting: false, date: '2024-05-01T08:00:00Z', title: id, ...more }) as unknown as RecordHeader;

const RECORDS = [
  record('old', { date: '2019' }),
  record('may'),
  record('june', { date: '2024-06' }),
  record('hiv', { kinds: ['hiv'] }),
  record('bare', { date: null }),
  record('asthma', { record_type: 'conditions', date: '2024-05-31' }),
  record('doctor', { record_type: 'conditions', supporting: true }),
];
const all: Choice = { scope: 'types', recordTypes: ['lab-results', 'conditions'], recordIds: [], from: null, to: null, includeFuture: true, includeSensitive: [] };
const ids = (choice: Choice) => seen(RECORDS, choice).map((one) => one.id);

test('whole types are shared as types, and with them what comes later', () => {
  expect(ids(all)).toEqual(['old', 'may', 'june', 'bare', 'asthma']);
  expect(cut(RECORDS, all)).toEqual({ types: ['lab-results', 'conditions'], kinds: [], records: null });
});

test('sensitive records are left out unless their kind is chosen', () => {
  expect([...sensitiveOf(RECORDS, all)]).toEqual([['hiv', 1]]);
  expect(ids({ ...all, includeSensitive: ['hiv'] })).toContain('hiv');
  expect(cut(RECORDS, { ...all, scope: 'records', recordIds: ['may', 'hiv'] })).toEqual({ types: ['lab-results'], kinds: [], records: ['may'] });
});

test('a range of dates takes what overlaps it, however partial, and says what has no date', () => {
  const spring: Choice = { ...all, from: '2024-05-01', to: '2024-05-31' };
  expect(ids(spring)).toEqual(['may', 'asthma']);
  expect(ids({ ...spring, to: '2024-06-01' })).toEqual(['may', 'june', 'asthma']);
  expect(ids({ ...all, to: '2019-02-01' })).toEqual(['old']);
  expect(undated(RECORDS, spring)).toBe(1);
  expect(cut(RECORDS, spring).records).toEqual(['may', 'asthma']);
});

test('without what comes later it is what there is now', () => {
  expect(cut(RECORDS, { ...all, includeFuture: false }).records).toEqual(['old', 'may', 'june', 'bare', 'asthma']);
});

test('a choice that shares nothing is told apart', () => {
  const check = (part: Partial<Choice>) => problemOf(RECORDS, { ...all, ...part });
  expect(check({})).toBeNull();
  expect(check({ recordTypes: [] })).toBe('choose_type');
  expect(check({ scope: 'records' })).toBe('choose_record');
  expect(check({ scope: 'records', recordIds: ['hiv'] })).toBe('nothing_chosen');
  expect(check({ from: '2024-02-01', to: '2024-01-01' })).toBe('choose_range');
  expect(check({ from: '2030-01-01' })).toBe('nothing_chosen');
  expect(check({ recordTypes: ['diet'] })).toBeNull();
});
