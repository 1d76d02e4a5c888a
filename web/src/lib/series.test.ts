import { expect, test } from 'vitest';
import { dots, ends, number, seconds } from './series.ts';

const point = (date: string | null, value: string) => ({ date, time: null, value, flag: null, remark: null, origin: { records: [], sources: [], sensitivity: [] } });

test('only plain numbers are drawn', () => {
  expect(number('5.4')).toBe(5.4);
  expect(number('−3')).toBe(-3);
  for (const text of ['<5', '120/80', 'positive', '', '1e9']) expect(number(text)).toBeNull();
});

test('ranges are read in every form the core writes', () => {
  expect(ends('3.5–5.1 mmol/L')).toEqual([3.5, 5.1]);
  expect(ends('< 200')).toEqual([null, 200]);
  expect(ends('≥ 60')).toEqual([60, null]);
  expect(ends('negative')).toEqual([null, null]);
  expect(ends(null)).toEqual([null, null]);
});

test('partial dates are drawn at their beginning', () => {
  expect(seconds('2020', null)).toBe(Date.UTC(2020, 0, 1) / 1000);
  expect(seconds('2020-03', null)).toBe(Date.UTC(2020, 2, 1) / 1000);
  expect(seconds(null, null)).toBeNull();
});

test('dots are oldest first, without what is no number or has no date', () => {
  const series = { title: '', unit: '', range: null, spark: [], band: null, points: [point('2021-01-02', '2'), point('2020-01-01', '1'), point(null, '3'), point('2022-01-01', 'high')] };
  expect(dots(series).map((dot) => dot.value)).toEqual([1, 2]);
});
