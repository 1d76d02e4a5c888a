/** The journey that everything is for: one's record in, a part of it out, and back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrowserContext, Page } from 'playwright-core';
import { accessible, fits, go, PASSWORD, signUp, Wire, World } from './world.ts';

const ME = 'garland@example.org';
let world: World;
let own: BrowserContext;
let wire: Wire;
let page: Page;
let code = '';
let url = '';

beforeAll(async () => {
  world = await World.start();
  own = await world.fresh();
  wire = new Wire(own);
  page = await own.newPage();
});
afterAll(() => world.stop());

test('somebody opens an account and keeps the recovery kit', async () => {
  code = await signUp(world, page, { name: 'Garland Cummerata', email: ME });
  await page.getByRole('heading', { level: 1, name: 'Hello, Garland' }).waitFor();
  await accessible(page);
});

test('a Synthea patient of over a thousand resources is imported and read', async () => {
  await go(page, '/record/add', ME);
  await page.locator('input[type=file]').setInputFiles(world.unpack('s07-many-labs-elder.json.gz'));
  await page.getByText(/\d+ new, 0 changed/).waitFor({ timeout: 120_000 });
  await accessible(page);
  await page.getByRole('link', { name: 'See my record' }).click();
  await page.getByText('Ischemic heart disease').first().waitFor();
  expect(await page.getByText(/1,\d{3} entries/).count()).toBeGreaterThan(0);
  await accessible(page);
});

test('searching finds as one types, and a record opens with its source', async () => {
  await page.getByRole('searchbox').fill('ischemic heart');
  await page.getByRole('link', { name: /Ischemic heart disease/ }).first().click();
  await page.getByRole('heading', { level: 1, name: /Ischemic heart disease/ }).waitFor();
  await page.getByText('Source data').click();
  await page.getByText('"resourceType": "Condition"').waitFor();
  await accessible(page);
});

test('lab results are told with their trend and chart', async () => {
  await go(page, '/record/type/lab-results', ME);
  await page.getByRole('heading', { level: 2, name: 'Laboratory results' }).waitFor();
  await accessible(page);
  await page.locator('button.series').first().click();
  await page.getByRole('dialog').locator('canvas').waitFor();
  await accessible(page);
});

test('a part is shared by a link', async () => {
  await go(page, '/sharing', ME);
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await page.getByLabel('Name of the recipient').fill('Dr. Lee');
  await page.getByLabel(/^Conditions/).check();
  await page.getByLabel(/^Medicines/).check();
  await accessible(page);
  await page.getByRole('button', { name: 'Look before sharing' }).click();
  await page.getByText(/And what is added to these types/).waitFor();
  await page.getByRole('button', { name: 'Share now' }).click();
  url = await page.getByTestId('share-url').inputValue();
  expect(url).toMatch(/\/records\/shared\/[\w-]{43}#[\w-]{43}$/);
  await accessible(page);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.locator('[data-share]').getByText('Active').waitFor();
  await accessible(page);
});

test('a fresh browser opens the link and sees only those types', async () => {
  const other = await world.fresh();
  const theirs = new Wire(other);
  const reader = await other.newPage();
  await reader.goto(url);
  expect(reader.url()).not.toContain('#');
  await accessible(reader);
  expect(theirs.text).not.toContain('/api/');
  await reader.getByLabel('Who is reading?').fill('Dr. Lee');
  await reader.getByRole('button', { name: 'Open the record' }).click();
  await reader.getByText('Ischemic heart disease').first().waitFor({ timeout: 60_000 });
  await reader.getByRole('heading', { level: 2, name: 'Medicines' }).first().waitFor();
  expect(await reader.getByRole('heading', { level: 2, name: 'Laboratory results' }).count()).toBe(0);
  expect(await reader.getByText('Hemoglobin').count()).toBe(0);
  await accessible(reader);
  await fits(reader);
  expect([...theirs.hosts]).toEqual([new URL(world.url).host]);
  const key = url.split('#')[1] ?? '?';
  expect(theirs.text.includes(key)).toBe(false);
  expect(theirs.complaints).toEqual([]);

  // What is added shows while the link is open, and counts as the same access.
  await reader.getByRole('button', { name: 'Look for new entries' }).click();
  await reader.getByText('Nothing was added or changed since.').waitFor();
  await go(page, '/record/add', ME);
  await page.getByLabel('Title').fill('Stiff knee since Sunday');
  await page.getByLabel('Text', { exact: true }).fill('Worse on stairs.');
  await page.getByRole('combobox', { name: 'Belongs to' }).click();
  await page.getByRole('option', { name: 'Conditions' }).click();
  await page.getByRole('button', { name: 'Add the note' }).click();
  await page.getByText('The note is in your record.').waitFor();
  await reader.getByRole('button', { name: 'Look for new entries' }).click();
  await reader.getByText('Stiff knee since Sunday').first().waitFor();
  await go(page, '/sharing', ME);
  await page.locator('[data-share]').getByText(/Opened once/).waitFor();

  // What the patient takes back closes what is open.
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.locator('[data-share]').getByText('Revoked').waitFor();
  await reader.getByRole('heading', { name: 'This link was taken back' }).waitFor({ timeout: 30_000 });
  await accessible(reader);
  await other.close();

  const late = await world.fresh();
  const lateReader = await late.newPage();
  await lateReader.goto(url);
  await lateReader.getByLabel('Who is reading?').fill('Dr. Lee');
  await lateReader.getByRole('button', { name: 'Open the record' }).click();
  await lateReader.getByRole('heading', { name: 'This link was taken back' }).waitFor();
  await late.close();
});

test('the trail tells of it and is checked in the browser', async () => {
  await go(page, '/activity', ME);
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('The log is whole.').waitFor();
  await accessible(page);
});

test('what went over the wire holds no password, no key, no clinical word', () => {
  const key = url.split('#')[1] ?? '?';
  for (const secret of [PASSWORD, code, code.replaceAll('-', ''), key, 'Ischemic', 'Cummerata161', 'Hyperlipidemia', 'Hydrochlorothiazide', 'resourceType']) {
    expect(wire.text.includes(secret), `${secret} crossed in the clear`).toBe(false);
    expect(world.between.text.includes(secret), `${secret} crossed in the clear`).toBe(false);
  }
  // The worker's own calls are among them.
  expect(world.between.text.includes('POST /api/auth/login')).toBe(true);
  expect([...wire.hosts]).toEqual([new URL(world.url).host]);
  expect(wire.complaints).toEqual([]);
});
