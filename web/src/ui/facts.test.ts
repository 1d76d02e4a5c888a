import { expect, test } from 'vitest';
import { facts } from './facts.ts';

test('a result is told in words', () => {
  const told = facts(JSON.stringify({
    resourceType: 'Observation', id: 'x', status: 'final', code: { coding: [{ system: 's', code: '718-7', display: 'Hemoglobin' }] },
    valueQuantity: { value: 13.2, unit: 'g/dL', code: 'g/dL' }, effectivePeriod: { start: '2020-01-01T10:00:00Z' }, subject: { reference: 'Patient/1' },
  }));
  expect(told).toEqual([['Status', 'final'], ['Code', 'Hemoglobin'], ['Value', '13.2 g/dL'], ['Effective', '2020-01-01 – ']]);
});

test('hostile shapes become nothing', () => {
  for (const text of ['', 'null', '[]', '{"a":', '"x"', '{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}']) expect(facts(text)).toEqual([]);
  const markup = facts('{"note":[{"text":"<img src=x onerror=alert(1)>"}]}');
  expect(markup).toEqual([['Note', '<img src=x onerror=alert(1)>']]);
});
