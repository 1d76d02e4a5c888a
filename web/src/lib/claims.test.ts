import { expect, test } from 'vitest';
import { type Claim, ownClaims, readProof, toAnswer } from './claims.ts';

const PATIENT = '019b76da-a800-7fd0-8b6c-768b4bc3e994';
const KEY = 'A'.repeat(42) + '_';

test('a link and a sheet are told apart, and nothing else is taken for either', () => {
  expect(readProof(`#invitation=${KEY}`)).toEqual({ by: 'invitation', token: KEY });
  expect(readProof(`#sheet=${PATIENT}.${KEY}`)).toEqual({ by: 'sheet', patient: PATIENT, key: KEY });
  for (const hash of ['', '#', '#sheet=', `#sheet=${KEY}`, `#sheet=${PATIENT}.short`, `#sheet=${PATIENT}.${KEY}.x`, '#invitation=<script>', '#invitation=', `#sheet=${PATIENT.toUpperCase()}.${KEY}`]) {
    expect(readProof(hash), hash).toBeNull();
  }
});

const claim = (part: Partial<Claim>): Claim => ({
  id: 'c', patient_id: 'p', claimant_id: 'ann', claimant_name: 'Ann', claimant_email: 'ann@example.org', practitioner_name: 'Dana', state: 'asked',
  email_matches: true, asked_at: '2026-11-22T08:00:00Z', generation: 1, ...part,
});

test('a practitioner answers what others ask, and only while it waits', () => {
  const all = [claim({ id: '1' }), claim({ id: '2', state: 'confirmed' }), claim({ id: '3', claimant_id: 'dana' })];
  expect(toAnswer(all, 'dana').map((one) => one.id)).toEqual(['1']);
  expect(toAnswer(undefined, 'dana')).toEqual([]);
});

test('of the claims on one chart the newest counts, and one that is done needs nothing', () => {
  const all = [
    claim({ id: 'old', state: 'refused', asked_at: '2026-11-20T08:00:00Z' }), claim({ id: 'new' }),
    claim({ id: 'done', patient_id: 'q', state: 'done' }), claim({ id: 'other', patient_id: 'r', claimant_id: 'bob' }),
  ];
  expect(ownClaims(all, 'ann').map((one) => one.id)).toEqual(['new']);
});
