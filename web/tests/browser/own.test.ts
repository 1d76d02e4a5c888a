/** What is one's own: the trail of it, numbers of it, taking it along, ending it; and hearing of changes at once. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrowserContext, Page } from 'playwright-core';
import { accessible, fits, go, PASSWORD, signUp, walk, Wire, World } from './world.ts';

const ME = 'olive@example.org';
let world: World;
let own: BrowserContext;
let wire: Wire;
let page: Page;
let code = '';

beforeAll(async () => {
  world = await World.start();
  own = await world.fresh({ acceptDownloads: true });
  wire = new Wire(own);
  page = await own.newPage();
  code = await signUp(world, page, { name: 'Olive Sample', email: ME });
  await walk(page, '/record/add');
  await page.locator('input[type=file]').setInputFiles(world.unpack('s10-small-adult.json.gz'));
  await page.getByText(/\d+ new, 0 changed/).waitFor({ timeout: 60_000 });
});
afterAll(() => world.stop());

/** Shares conditions by a link, from a page of whoever is signed in there. */
async function share(from: Page, name: string): Promise<string> {
  await walk(from, '/sharing');
  await from.getByRole('button', { name: 'Share', exact: true }).click();
  await from.getByLabel('Name of the recipient').fill(name);
  await from.getByLabel(/^Conditions/).check();
  await from.getByRole('button', { name: 'Look before sharing' }).click();
  await from.getByRole('button', { name: 'Share now' }).click();
  const url = await from.getByTestId('share-url').inputValue();
  await from.getByRole('button', { name: 'Done' }).click();
  return url;
}

async function signInElsewhere(): Promise<{ context: BrowserContext; there: Page }> {
  const context = await world.fresh();
  const there = await context.newPage();
  await go(there, '/home', ME);
  return { context, there };
}

test('what is shared on another device shows at once, without asking again and again', async () => {
  await walk(page, '/home');
  await page.getByText('Nobody but you.').waitFor();
  const { context, there } = await signInElsewhere();
  const url = await share(there, 'Dr. Lee');
  await page.getByText('Dr. Lee').waitFor({ timeout: 5000 });
  await context.close();

  const reader = await world.fresh();
  const reading = await reader.newPage();
  await reading.goto(url);
  await reading.getByLabel('Who is reading?').fill('Dr. Lee');
  await reading.getByRole('button', { name: 'Open the record' }).click();
  await reading.getByRole('heading', { level: 2, name: 'Problems' }).first().waitFor({ timeout: 30_000 });
  await reader.close();
});

test('the trail is filtered, told in full, and proved', async () => {
  await walk(page, '/activity');
  await page.getByText('Read through a link').first().waitFor();
  await accessible(page);
  await page.getByLabel('Who', { exact: true }).selectOption({ label: 'Link for Dr. Lee' });
  await page.waitForURL(/who=/);
  await expect.poll(() => page.getByText('Added records').count()).toBe(0);
  await page.getByText('Read through a link').first().click();
  await page.getByText('From address').waitFor();
  await page.getByRole('button', { name: /^Prove this entry/ }).click();
  await page.getByText('The log is whole.').waitFor();
  await page.getByText(/What was checked/).click();
  await page.getByText(/Hashed here from the text that was logged/).waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Show everything' }).click();
  await page.getByLabel('What', { exact: true }).selectOption({ label: 'Sign-ins and account' });
  await page.getByText('Signed in').first().waitFor();
  await page.getByLabel('Until').fill('2001-01-01');
  await page.getByText('Nothing fits these filters').waitFor();
  await accessible(page);
});

test('the accounting of disclosures is read and taken along', async () => {
  await walk(page, '/activity/disclosures');
  await page.getByRole('cell', { name: /Dr\. Lee/ }).first().waitFor();
  await accessible(page);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download (JSON)' }).click()]);
  const told = JSON.parse(readFileSync(await download.path(), 'utf8')) as { items: { recipient: { name: string } }[]; checkpoint: string };
  expect(told.items.some((one) => one.recipient.name === 'Dr. Lee')).toBe(true);
  expect(told.checkpoint).toContain('\u2014 ');
});

test('numbers tell how sharing went', async () => {
  await walk(page, '/activity/numbers');
  await page.getByText('What was shared, by type').waitFor();
  await expect.poll(() => page.locator('.stat-tile').filter({ hasText: 'Links made' }).locator('dd').innerText()).toBe('1');
  await page.getByText('12 months').click();
  await page.getByText('The same as a table').click();
  expect(await page.getByRole('row').count()).toBe(13);
  await accessible(page);
});

test('a record is taken along as one Bundle that was put together here', async () => {
  await walk(page, '/settings/data');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Make the file' }).click()]);
  const bundle = JSON.parse(readFileSync(await download.path(), 'utf8')) as { resourceType: string; entry: { resource: { resourceType: string } }[] };
  expect(bundle.resourceType).toBe('Bundle');
  expect(bundle.entry.some((one) => one.resource.resourceType === 'Condition')).toBe(true);
  await page.getByText(/Your record was saved as/).waitFor();
  await accessible(page);
  await page.getByRole('link', { name: 'Print or save as PDF' }).click();
  await page.locator('.paper').getByRole('heading', { name: 'Problems' }).first().waitFor();
  await accessible(page);
  await fits(page);
});

test('a kit is renewed with the present one, and the old one opens nothing', async () => {
  await walk(page, '/settings/security');
  await page.getByLabel('The present recovery code').fill(code);
  await page.getByLabel('Your password').fill('not the password at all');
  await page.getByRole('button', { name: 'Make a new kit' }).click();
  await page.getByText('do not belong together').waitFor();
  expect(await page.getByLabel('The present recovery code').inputValue()).toBe(code);
  await page.getByLabel('Your password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make a new kit' }).click();
  const fresh = (await page.getByTestId('recovery-code').innerText()).trim();
  expect(fresh).not.toBe(code);
  await accessible(page);
  await page.getByLabel('Type the last group of the code').fill(fresh.split('-').at(-1) ?? '');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByText('The new kit is kept').waitFor();
  await page.getByLabel('The present recovery code').fill(code);
  await page.getByLabel('Your password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make a new kit' }).click();
  await page.getByText('This recovery code does not belong to this address.').waitFor();
});

test('a device that is signed out from another is signed out at once', async () => {
  const { context, there } = await signInElsewhere();
  await walk(page, '/settings');
  await walk(page, '/settings/security');
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await accessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere else' }).click();
  await there.getByText('You were signed out here').waitFor({ timeout: 10_000 });
  await accessible(there);
  await context.close();
});

test('without a network the screen says so, and what was typed stays', async () => {
  await walk(page, '/settings');
  await page.getByLabel('Telephone').fill('555 0100');
  await own.setOffline(true);
  await page.getByText('You are offline.').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The server could not be reached.').waitFor();
  expect(await page.getByLabel('Telephone').inputValue()).toBe('555 0100');
  await accessible(page);
  await own.setOffline(false);
  await page.getByText('You are offline.').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
});

test('an account is deleted with its password and a sentence, and is gone', async () => {
  await walk(page, '/settings/data');
  await page.getByRole('button', { name: 'Delete my account …' }).click();
  const dialog = page.getByRole('dialog');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Delete everything, for good' }).click();
  await dialog.getByText('Type exactly: delete everything').waitFor();
  await dialog.getByLabel(/^Type "delete everything"/).fill('delete everything');
  await dialog.getByLabel('Your password').fill('not the password at all');
  await dialog.getByRole('button', { name: 'Delete everything, for good' }).click();
  await dialog.getByText('do not belong together').waitFor();
  await dialog.getByLabel('Your password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Delete everything, for good' }).click();
  await page.getByText('Your account is deleted, and everything in it is gone.').waitFor();
  await accessible(page);
  await page.getByLabel('E-mail address').fill(ME);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('do not belong together').waitFor();
});

test('nothing of it left the browser in the clear', () => {
  expect(world.between.text.includes('POST /api/auth/login')).toBe(true);
  for (const secret of [PASSWORD, code, code.replaceAll('-', ''), 'resourceType', 'Appendicitis', 'Concussion']) expect(world.between.text.includes(secret), `${secret} crossed in the clear`).toBe(false);
  expect([...wire.hosts]).toEqual([new URL(world.url).host]);
});
