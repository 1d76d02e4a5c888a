import { expect, test } from 'vitest';
import { en } from '../../words/en/index.ts';
import { ACTIONS, askFor, dayOf, type Filter, groupOf, inOrder, readFilter, WHATS } from './filters.ts';

const ME = '01890000-0000-7000-8000-000000000001';
const HER = '01890000-0000-7000-8000-000000000002';
const asked = (filter: Filter, patient: string | null = 'p') => new URLSearchParams(askFor(filter, { account: ME, patient }, ''));

test('every word of the trail has a group and words in which it is told', () => {
  const words = WHATS.flatMap((what) => ACTIONS[what]);
  expect(new Set(words).size).toBe(words.length);
  expect([...words].sort()).toEqual(Object.keys(en.activity.actions).sort());
  expect([groupOf('share.read'), groupOf('record.export'), groupOf('record.move'), groupOf('grant.change'), groupOf('session.create'), groupOf('new.word')])
    .toEqual(['reads', 'reads', 'changes', 'sharing', 'other', 'other']);
});

test('an address is read for what it may say', () => {
  expect(readFilter({ who: 'me', what: 'reads', type: 'vitals', from: '2026-01-02', to: '2026-01-03' })).toEqual({ who: 'me', what: 'reads', type: 'vitals', from: '2026-01-02', to: '2026-01-03' });
  expect(readFilter({ who: HER })).toEqual({ who: HER });
  expect(readFilter({ who: '<script>', what: 'everything', type: 'x', from: '2026-13-45', to: 7, patient_id: 'other' })).toEqual({});
});

test('the last day is meant whole', () => {
  const query = asked({ from: '2026-01-02', to: '2026-01-02' });
  expect(new Date(query.get('to') ?? 0).getTime() - new Date(query.get('from') ?? 0).getTime()).toBe(86_400_000);
  expect(inOrder({ from: '2026-01-02', to: '2026-01-02' })).toBe(true);
  expect(inOrder({ from: '2026-01-03', to: '2026-01-02' })).toBe(false);
});

test('what was done to a record is asked for by patient, own sign-ins are not', () => {
  expect(asked({}).get('patient_id')).toBe('p');
  expect(asked({ who: 'me' }).get('actor')).toBe(ME);
  expect(asked({ who: HER, what: 'reads' }).get('action')).toContain('share.read');
  const account = asked({ what: 'account', who: HER });
  expect(account.get('patient_id')).toBeNull();
  expect(account.get('actor')).toBe(ME);
  expect(asked({}, null).get('patient_id')).toBeNull();
});

test('a place on the chart becomes a day', () => {
  expect(dayOf(new Date(2026, 0, 9, 13).getTime() / 1000)).toBe('2026-01-09');
});
