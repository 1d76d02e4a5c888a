/** A provider asks, a patient gives less; each hears of it at once. And the administrator's screens. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { accessible, fits, go, signUp, walk, World } from './world.ts';

const PATIENT = 'pia@example.org';
const PROVIDER = 'dan@example.org';
const ADMIN = 'office@example.org';
let world: World;
let patient: Page;
let provider: Page;
let admin: Page;

beforeAll(async () => {
  world = await World.start();
  world.makeAdmin(ADMIN);
  const [own, theirs, office] = await Promise.all([world.fresh(), world.fresh(), world.fresh()]);
  patient = await own.newPage();
  provider = await theirs.newPage();
  admin = await office.newPage();
  await signUp(world, provider, { name: 'Dan Adler', email: PROVIDER, provider: true });
  await signUp(world, patient, { name: 'Pia Moreno', email: PATIENT });
  await walk(patient, '/record/add');
  await patient.locator('input[type=file]').setInputFiles(world.unpack('s10-small-adult.json.gz'));
  await patient.getByText(/\d+ new, 0 changed/).waitFor({ timeout: 60_000 });
});
afterAll(() => world.stop());

test('an administrator rejects with a reason, and confirms after all', async () => {
  await go(admin, '/admin', ADMIN);
  await admin.getByText('Dan Adler').waitFor();
  await admin.getByRole('button', { name: 'Reject' }).click();
  await admin.getByLabel(/^Reason/).fill('The number is not in the register.');
  await accessible(admin);
  await admin.getByRole('dialog').getByRole('button', { name: 'Reject' }).click();
  await admin.getByText('Nobody is waiting').waitFor();
  await admin.getByText('Rejected', { exact: true }).click();
  await admin.getByRole('button', { name: 'Confirm' }).click();
  await admin.getByText('Nobody is waiting').waitFor();
  // Whoever waits sees it without signing in anew.
  await walk(provider, '/patients');
  await provider.getByText('Your licence is being checked.').waitFor({ state: 'detached', timeout: 30_000 });
});

test('a provider asks with the number that a patient gave them', async () => {
  await walk(patient, '/settings/data');
  const number = (await patient.getByTestId('patient-number').innerText()).trim();
  await walk(patient, '/home');
  await walk(provider, '/patients/requests');
  await accessible(provider);
  await provider.getByRole('button', { name: 'Ask for access' }).click();
  await provider.getByLabel('The patient\'s number').fill('pia@example.org');
  await provider.getByRole('button', { name: 'Ask', exact: true }).click();
  await provider.getByText('This is no patient\'s number.').waitFor();
  await provider.getByText('Choose at least one type.').waitFor();
  await accessible(provider);
  await provider.getByLabel('The patient\'s number').fill(number.toUpperCase().replaceAll('-', ' '));
  const read = provider.getByRole('group', { name: 'What you ask to see' });
  await read.getByLabel('Conditions').check();
  await read.getByLabel('Medicines').check();
  await provider.getByRole('button', { name: 'Ask', exact: true }).click();
  await provider.getByText('Asked. The patient was told').waitFor();
  await provider.getByText('Waiting', { exact: true }).waitFor();
});

test('the patient hears of it at once, and allows less', async () => {
  await patient.getByText('Dan Adler asks for access to your record').waitFor({ timeout: 5000 });
  await accessible(patient);
  await patient.getByRole('link', { name: 'Decide' }).click();
  await patient.getByRole('button', { name: 'Look and decide' }).click();
  const dialog = patient.getByRole('dialog');
  await dialog.getByText('You have not shared with this key before.').waitFor();
  await dialog.getByLabel(/^Medicines/).uncheck();
  await dialog.getByLabel(/^Conditions/).uncheck();
  await dialog.getByRole('button', { name: 'Allow this' }).click();
  await dialog.getByText('Choose at least one type, or refuse.').waitFor();
  await accessible(patient);
  await patient.keyboard.press('Escape');
  await patient.getByRole('button', { name: 'Look and decide' }).click();
  expect(await dialog.getByLabel(/^Conditions/).isChecked()).toBe(false);
  await dialog.getByLabel(/^Conditions/).check();
  await dialog.getByRole('button', { name: 'Allow this' }).click();
  await patient.getByText('Allowed. Dan Adler can open it now').waitFor();
  await accessible(patient);
});

test('the provider hears of the answer at once, and opens what was allowed', async () => {
  await provider.getByText('Allowed', { exact: true }).waitFor({ timeout: 5000 });
  await provider.getByRole('link', { name: 'Open' }).click();
  await provider.getByRole('heading', { level: 2, name: 'Problems' }).first().waitFor();
  await provider.getByText('Appendicitis').first().waitFor();
  expect(await provider.getByRole('heading', { level: 2, name: 'Laboratory results' }).count()).toBe(0);
  await walk(provider, '/activity');
  await provider.getByText('Opened the record').first().waitFor();
  await accessible(provider);
  await walk(provider, '/activity/numbers');
  await accessible(provider);
});

test('a refusal is told, and asking again starts from what was asked', async () => {
  await walk(provider, '/patients/requests');
  await provider.getByRole('button', { name: 'Ask for access' }).click();
  await provider.getByLabel('Somebody who shared with you before').selectOption({ label: 'Pia Moreno' });
  await provider.getByRole('group', { name: 'What you ask to see' }).getByLabel('Lab results').check();
  await provider.getByRole('button', { name: 'Ask', exact: true }).click();
  await patient.getByRole('button', { name: 'Refuse' }).click({ timeout: 10_000 });
  await patient.getByRole('dialog').getByRole('button', { name: 'Refuse' }).click();
  await provider.getByText('Refused', { exact: true }).waitFor({ timeout: 5000 });
  await provider.getByRole('button', { name: 'Ask again' }).click();
  expect(await provider.getByRole('group', { name: 'What you ask to see' }).getByLabel('Lab results').isChecked()).toBe(true);
});

test('what the administrator sees is counts, and nothing medical', async () => {
  for (const path of ['/admin', '/admin/accounts', '/admin/numbers', '/admin/health', '/admin/log']) {
    await walk(admin, path);
    await accessible(admin);
    for (const width of [390, 768, 1440]) {
      await admin.setViewportSize({ width, height: 900 });
      await fits(admin);
    }
    expect(await admin.getByText('Appendicitis').count()).toBe(0);
  }
  await walk(admin, '/admin/numbers');
  expect(await admin.locator('.stat-tile').filter({ hasText: 'Access given to providers' }).locator('dd').innerText()).toBe('1');
  await walk(admin, '/admin/health');
  await admin.getByText('All is well').waitFor();
});

test('an account that is switched off is signed out, and comes back', async () => {
  await walk(admin, '/admin/accounts');
  await admin.getByLabel('Find by name or address').fill('pia@');
  await admin.getByRole('button', { name: 'Switch off: Pia Moreno' }).click();
  await accessible(admin);
  await admin.getByRole('dialog').getByRole('button', { name: 'Switch off' }).click();
  await patient.getByText('You were signed out here').waitFor({ timeout: 10_000 });
  await admin.getByRole('button', { name: 'Switch on: Pia Moreno' }).click();
  await admin.getByRole('button', { name: 'Switch off: Pia Moreno' }).waitFor();
});
