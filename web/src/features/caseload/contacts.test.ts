import { expect, test } from 'vitest';
import { birthDay, contacts, decode, guess, orderOf, read, write } from './contacts.ts';

const NOW = new Date('2026-11-22T10:00:00Z').getTime();
const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;

function understood(text: string, known: { email?: string }[] = []) {
  const list = read(text);
  if (!list) throw new Error('nothing to read');
  const columns = guess(list.header);
  return contacts(list, columns, orderOf(list, columns), known, NOW);
}

test('an export of contacts is understood as it comes', () => {
  const [ann, bo] = understood('First Name,Last Name,Email,Phone,DOB,Client ID\n"Ann","O\'Hara, jr.",ann@example.org,+1 555 01,1980-02-03,77\nBo,Li,bo@example.org,,31/12/1999,\n');
  expect(ann).toEqual({ row: 1, problems: [], known: false, chart: { name: "Ann O'Hara, jr.", email: 'ann@example.org', date_of_birth: '1980-02-03', contact_details: '+1 555 01', carepatron_patient_id: '77', dietary_preferences: null, medical_history: null } });
  expect(bo?.chart).toMatchObject({ name: 'Bo Li', date_of_birth: '1999-12-31', contact_details: null });
});

test('columns are known by many names, and a name counts once', () => {
  expect(guess(['Full name', 'E-Mail', 'Date of Birth', 'Mobile phone', 'Dietary preferences', 'Medical History', 'Favourite colour'])).toEqual(['name', 'email', 'birth', 'phone', 'diet', 'history', null]);
  expect(guess(['Name', 'First name', 'Last name', 'Email', 'Email 2'])).toEqual([null, 'first', 'last', 'email', null]);
  expect(guess(['Nombre', 'Apellidos', 'Correo electrónico', 'Fecha de nacimiento', 'Teléfono'])).toEqual(['first', 'last', 'email', 'birth', 'phone']);
});

test('a day that could be meant two ways is not guessed', () => {
  expect(birthDay('03/04/1980', null, NOW)).toBe('birth_order');
  expect(birthDay('03/04/1980', 'day', NOW)).toBe('1980-04-03');
  expect(birthDay('03/04/1980', 'month', NOW)).toBe('1980-03-04');
  expect(birthDay('31.12.1999', null, NOW)).toBe('1999-12-31');
  expect(birthDay('05/05/1980', null, NOW)).toBe('1980-05-05');
  for (const wrong of ['1980-02-30', '3/4/80', 'yesterday', '2099-01-01', '12/31/1700']) expect(birthDay(wrong, 'month', NOW), wrong).toBe('birth');
  // One day that is certain says how the file writes the others.
  expect(understood('Name,Email,DOB\nA,a@e.org,03/04/1980\nB,b@e.org,25/12/1990')[0]?.chart.date_of_birth).toBe('1980-04-03');
});

test('what is missing or wrong is said of each row, and who is known is left out', () => {
  const rows = understood('Name,Email\nAnn,ann@example.org\n,who@example.org\nBo,not an address\nAnn again,ANN@example.org\nCy,cy@example.org\nDee,', [{ email: 'CY@example.org' }]);
  expect(rows.map((one) => [one.problems, one.known])).toEqual([[[], false], [['name'], false], [['email_wrong'], false], [['twice'], false], [[], true], [['email'], false]]);
});

test('semicolons, tabs, marks of byte order and old code pages are read', () => {
  expect(read('﻿Name;Email\nZoë;z@e.org')?.rows).toEqual([['Zoë', 'z@e.org']]);
  expect(read('Name\tEmail\nZoë\tz@e.org')?.header).toEqual(['Name', 'Email']);
  expect(decode(new Uint8Array([0x5a, 0x6f, 0xeb]).buffer)).toBe('Zoë');
  expect(decode(bytes('Zoë'))).toBe('Zoë');
  expect(decode(new Uint8Array([0xff, 0xfe, 0x5a, 0x00]).buffer)).toBe('Z');
});

test('an empty file, a file of headings and a torn one are told apart', () => {
  expect(read('')).toBeNull();
  expect(read('Name,Email\n\n')).toBeNull();
  expect(read('Name,Email\n"Ann,a@e.org')?.torn).toBe(true);
});

test('what is left is written so that it is understood again, and no cell is a formula', () => {
  const [row] = understood('Name,Email,Phone\n=1+1,a@e.org,"one, two"');
  const text = write(row ? [row] : []);
  expect(text).toContain("'=1+1");
  expect(understood(text)[0]?.chart).toMatchObject({ email: 'a@e.org', contact_details: 'one, two' });
});
