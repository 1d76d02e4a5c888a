import { expect, test } from 'vitest';
import { credentialsOf, draftOf, faults, forgetsSecrets, isAddress, noSecrets, requestOf, shardAddress } from './kinds.ts';

const fhir = { ...draftOf('source'), name: 'City Hospital', address: 'https://fhir.example.org/r4' };

test('what a system needs is asked for before it is tried', () => {
  expect(faults(fhir)).toEqual({});
  expect(faults({ ...fhir, name: ' ', address: 'fhir.example.org' })).toEqual({ name: 'needed', address: 'address' });
  expect(faults({ ...fhir, auth: 'backend_services' })).toEqual({ client_id: 'needed', key_id: 'needed', private_key: 'needed' });
  expect(faults({ ...fhir, json: '{"shape": ' })).toEqual({ json: 'json' });
  expect(faults({ ...fhir, schedule: 'whenever' })).toEqual({ schedule: 'schedule' });
  expect(faults({ ...fhir, schedule: '0 4 * * 1' })).toEqual({});
  const platform = { ...draftOf('destination'), kind: 'cliniko' as const, auth: 'bearer' as const, name: 'Cliniko', address: 'https://api.au1.cliniko.com/v1' };
  expect(faults(platform)).toEqual({ token: 'needed', contact_email: 'needed' });
});

test('addresses have a host and a path, and nothing that hides another', () => {
  for (const good of ['https://a.example/r4', 'http://127.0.0.1:9100/fhir']) expect(isAddress(good), good).toBe(true);
  for (const bad of ['a.example', 'ftp://a.example', 'https://', 'https://me@a.example', 'https://a.example/?q=1', 'javascript:alert(1)']) expect(isAddress(bad), bad).toBe(false);
});

test('a key of Cliniko says where it is', () => {
  expect(shardAddress('abc-uk1')).toBe('https://api.uk1.cliniko.com/v1');
  expect(shardAddress('abc-uk1.evil.example')).toBeNull();
});

test('policies go to platforms alone, and empty secrets are not sent', () => {
  expect(requestOf(fhir)).toEqual({ kind: 'fhir', direction: 'source', name: 'City Hospital', base_url: 'https://fhir.example.org/r4', credentials: { type: 'none' }, settings: {}, schedule: 'daily' });
  expect(requestOf({ ...fhir, direction: 'destination', json: '{"destination": {"carrier": "post"}}' }).settings).toEqual({ destination: { carrier: 'post' }, client_policy: 'ask', removal_policy: 'keep' });
  expect(credentialsOf('basic', { ...noSecrets, username: 'key ' })).toEqual({ type: 'basic', username: 'key' });
});

test('another address forgets the secrets, another name does not', () => {
  const was = { base_url: 'https://a.example/r4', credentials: 'bearer' };
  expect(forgetsSecrets(was, 'https://a.example/r4/', 'bearer')).toBe(false);
  expect(forgetsSecrets(was, 'https://b.example/r4', 'bearer')).toBe(true);
  expect(forgetsSecrets(was, 'https://a.example/r4', 'basic')).toBe(true);
});
