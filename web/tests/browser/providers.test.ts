/** A provider registers, an administrator confirms, a patient shares, and takes it back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accessible, go, PASSWORD, signUp, World } from './world.ts';

const PATIENT = 'pat@example.org';
const PROVIDER = 'diet@example.org';
const ADMIN = 'admin@example.org';
let world: World;

beforeAll(async () => {
  world = await World.start();
  await world.makeAdmin(ADMIN);
});
afterAll(() => world.stop());

test('a provider sees what a patient shares, for as long as it is shared', async () => {
  const theirs = await world.fresh();
  const provider = await theirs.newPage();
  await signUp(world, provider, { name: 'Dana Rivera', email: PROVIDER, provider: true });
  await go(provider, '/patients', PROVIDER);
  await provider.getByText('Your licence is being checked.').waitFor();
  await accessible(provider);

  const office = await world.fresh();
  const admin = await office.newPage();
  await go(admin, '/admin', ADMIN);
  await admin.getByRole('button', { name: 'Confirm', exact: true }).click();
  await admin.getByText('Nobody is waiting').waitFor();
  await accessible(admin);
  await office.close();

  const own = await world.fresh();
  const patient = await own.newPage();
  await signUp(world, patient, { name: 'Pat Doe', email: PATIENT });
  await go(patient, '/record/add', PATIENT);
  await patient.locator('input[type=file]').setInputFiles(world.unpack('s10-small-adult.json.gz'));
  await patient.getByText(/\d+ new, 0 changed/).waitFor({ timeout: 60_000 });
  await go(patient, '/sharing', PATIENT);
  await patient.getByRole('button', { name: 'Share', exact: true }).click();
  await patient.getByText('With a provider').click();
  await patient.getByRole('combobox', { name: 'Find a provider' }).fill('Dana');
  await patient.getByRole('option', { name: /Dana Rivera/ }).click();
  await patient.getByText('You have not shared with this key before.').waitFor();
  await patient.getByRole('button', { name: 'Everything' }).click();
  await patient.getByRole('button', { name: 'Look before sharing' }).click();
  await patient.getByRole('button', { name: 'Share now' }).click();
  await patient.getByText(/Dana Rivera can now open/).waitFor();
  await accessible(patient);
  await patient.getByRole('button', { name: 'Done' }).click();

  await go(provider, '/patients', PROVIDER);
  await provider.getByRole('link', { name: 'Open' }).click();
  await provider.getByRole('heading', { level: 2, name: 'Problems' }).first().waitFor();
  await accessible(provider);

  await patient.getByRole('button', { name: 'Revoke', exact: true }).click();
  await patient.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await patient.locator('[data-share]').getByText('Revoked').waitFor();
  await go(provider, '/patients', PROVIDER);
  await provider.getByText('This access has ended.').waitFor();
  expect(await provider.getByRole('link', { name: 'Open' }).count()).toBe(0);
});

test('an account comes back with its recovery kit', async () => {
  const context = await world.fresh();
  const page = await context.newPage();
  const code = await signUp(world, page, { name: 'Kit Keeper', email: 'kit@example.org' });
  await context.close();
  const other = await world.fresh();
  const back = await other.newPage();
  await back.goto('/recover');
  await back.getByLabel('E-mail address').fill('kit@example.org');
  await back.getByLabel('Recovery code').fill(code);
  await back.getByLabel('New password').fill(`${PASSWORD} again`);
  await back.getByRole('button', { name: 'Set the new password' }).click();
  const fresh = (await back.getByTestId('recovery-code').innerText()).trim();
  expect(fresh).not.toBe(code);
  await back.getByLabel('Type the last group of the code').fill(fresh.split('-').at(-1) ?? '');
  await back.getByRole('button', { name: 'I have kept it' }).click();
  await back.getByRole('heading', { level: 1, name: 'Hello, Kit' }).waitFor();
  await other.close();
});
