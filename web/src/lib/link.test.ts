import { expect, test } from 'vitest';
import { readAddress } from './link.ts';

const key = 'A'.repeat(42) + '_';

test('the key is read from the fragment', () => {
  expect(readAddress('/records/shared/tok', `#${key}`)).toEqual({ token: 'tok', key, shlink: null });
});

test('a fragment that a mail program escaped is understood', () => {
  expect(readAddress(`/records/shared/tok%23${key}`, '')).toEqual({ token: 'tok', key, shlink: null });
});

test('what is no key is no key', () => {
  for (const hash of ['', '#', '#short', `#${key}=`, `#${key}x`]) expect(readAddress('/records/shared/tok', hash).key).toBeNull();
  expect(readAddress('/records/shared/%E0%A4%A', '').token).toBe('%E0%A4%A');
});

test('links of other systems are recognised', () => {
  expect(readAddress('/records/shared/', '#shlink:/abc').shlink).toBe('shlink:/abc');
});
