import { expect, test } from 'vitest';
import { readAddress } from './link.ts';

const HERE = 'https://chartkey.example';
const key = 'A'.repeat(42) + '_';

test('the key is read from the fragment', () => {
  expect(readAddress('/records/shared/tok', `#${key}`, HERE)).toEqual({ token: 'tok', key, other: null });
});

test('a fragment that a mail program escaped is understood', () => {
  expect(readAddress(`/records/shared/tok%23${key}`, '', HERE)).toEqual({ token: 'tok', key, other: null });
});

test('what is no key is no key', () => {
  for (const hash of ['', '#', '#short', `#${key}=`, `#${key}x`]) expect(readAddress('/records/shared/tok', hash, HERE).key).toBeNull();
  expect(readAddress('/records/shared/%E0%A4%A', '', HERE).token).toBe('%E0%A4%A');
});

const shlink = (payload: object) => `shlink:/${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;

test('links of other systems are recognised, whatever stands before them', () => {
  const link = shlink({ url: 'https://ehr.example.org/qr/Y9xw', key, flag: 'LP', label: 'Vaccines of Óscar', exp: 1_767_225_600 });
  const { other, ...rest } = readAddress('/records/shared/shl', `#https://viewer.example/#${link}`, HERE);
  expect(rest).toEqual({ token: 'shl', key: null });
  expect(other).toEqual({ text: link, url: 'https://ehr.example.org/qr/Y9xw', single_file: false, host: 'ehr.example.org', label: 'Vaccines of Óscar', needs_passcode: true, expires_at: '2026-01-01T00:00:00.000Z' });
});

test('a SMART Health Link of our own opens as our own', () => {
  const token = 'T'.repeat(43);
  expect(readAddress('/records/shared/shl', `#${shlink({ url: `${HERE}/shl/${token}`, key })}`, HERE)).toEqual({ token, key, other: null });
});

test('what only looks like such a link is none', () => {
  for (const text of ['shlink:/', 'shlink:/abc', shlink({ url: 'nowhere', key }), shlink({ url: 'http://a.example/', key }), shlink({ url: 'https://a.example/', key, flag: 'PU' }), shlink({ url: 'https://a.example/', key, v: 2 }), shlink({ url: 'https://a.example/', key: 'short' }), shlink([])]) {
    expect(readAddress('/records/shared/shl', `#${text}`, HERE)).toEqual({ token: 'shl', key: null, other: null });
  }
});
