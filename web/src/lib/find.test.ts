import { expect, test } from 'vitest';
import type { RecordHeader } from '../vault-worker/api.ts';
import { countTypes, entries, find } from './find.ts';

const header = (title: string, date: string | null, more: Partial<RecordHeader> = {}): RecordHeader => ({
  id: title, patient: 'p', version: 1, record_type: 'lab-results', kinds: [], supporting: false, title, date, status: null, value: null,
  codes: [], resource_type: 'Observation', body: 'resource', content_type: '', file_name: null, size: 1, source: 'upload', author: null,
  author_name: null, signed: true, created_at: '', updated_at: '', ...more,
});

test('every word must be found, in any order, whatever the accents', () => {
  const all = entries([header('Análisis de glucosa', '2020-01-01'), header('Glucose tolerance', '2021-01-01')]);
  expect(find(all, 'GLUCOSA analisis', new Set()).map((one) => one.header.title)).toEqual(['Análisis de glucosa']);
  expect(find(all, '2021 gluc', new Set())).toHaveLength(1);
  expect(find(all, 'gluc x', new Set())).toHaveLength(0);
});

test('the newest comes first and what has no date comes last', () => {
  const all = entries([header('a', null), header('b', '2019'), header('c', '2020-05-01')]);
  expect(all.map((one) => one.header.title)).toEqual(['c', 'b', 'a']);
});

test('supporting resources are neither listed nor counted', () => {
  const headers = [header('a', null), header('b', null, { supporting: true })];
  expect(entries(headers)).toHaveLength(1);
  expect(countTypes(headers).get('lab-results')).toBe(1);
});

test('ten thousand records are searched between two key strokes', () => {
  const all = entries(Array.from({ length: 10_000 }, (_, n) => header(`Result ${n} of glucose in serum or plasma`, '2020-01-01')));
  const began = performance.now();
  expect(find(all, 'plasma 9999', new Set())).toHaveLength(1);
  expect(performance.now() - began).toBeLessThan(50);
});
