import { expect, test } from 'vitest';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { fileName } from './names.ts';

const of = (part: Partial<RecordHeader>) => fileName({ header: { id: '01a20249-8ef8-7285-a290-9e518eb4c832', date: '2026-02-03T10:00:00Z', record_type: 'lab-results', source: 'City Hospital', content_type: 'application/pdf', ...part } as RecordHeader });

test('a file is called by its day, type, source and number, and nothing else of it', () => {
  expect(of({})).toBe('2026-02-03_lab-results_provider_238c4be8.pdf');
  expect(of({ date: '2026', source: 'upload', content_type: 'text/plain; charset=utf-8' })).toBe('undated_lab-results_patient_238c4be8.txt');
  expect(of({ source: 'provider', content_type: 'application/weird' })).toBe('2026-02-03_lab-results_practice_238c4be8.bin');
});
