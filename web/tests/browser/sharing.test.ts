/** Sharing in its finer points: several at once, single records, dates, again; and uploads that fail. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrowserContext, Page } from 'playwright-core';
import { accessible, fits, go, signUp, World } from './world.ts';

const ME = 'ines@example.org';
let world: World;
let own: BrowserContext;
let page: Page;

const condition = (id: string, text: string, date: string, more: object = {}) => ({ resource: { resourceType: 'Condition', id, code: { text }, recordedDate: date, ...more } });
const SECRET = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }] } };
const bundle = {
  resourceType: 'Bundle', type: 'collection',
  entry: [
    condition('a', 'Asthma', '2021-03-01'), condition('b', 'Hay fever', '2023-05-06'), condition('c', 'Sprained ankle', '2024-11-20'), condition('d', 'Quiet matter', '2024-12-01', SECRET),
    { resource: { resourceType: 'Observation', id: 'o', status: 'final', category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] }], code: { text: 'Ferritin' }, effectiveDateTime: '2024-06-01', valueQuantity: { value: 30, unit: 'ug/L' } } },
    { resource: { noType: true } },
  ],
};

beforeAll(async () => {
  world = await World.start();
  own = await world.fresh();
  // A worker of the page's own: there is such a browser too, and its requests can be made to fail here.
  await own.addInitScript(() => Reflect.deleteProperty(globalThis, 'SharedWorker'));
  page = await own.newPage();
  await signUp(world, page, { name: 'Inés Duarte', email: ME });
});
afterAll(() => world.stop());

const line = (name: string) => page.locator('[data-upload]').filter({ hasText: name });
const dialog = () => page.getByRole('dialog');
const openDialog = async () => {
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await dialog().getByText('With whom').waitFor();
};

test('several files go in at once; what was not understood is said, and a failed one is tried again', async () => {
  await go(page, '/record/add', ME);
  await own.route('**/api/records', (route) => route.abort(), { times: 1 });
  await page.locator('input[type=file]').setInputFiles([
    world.write('broken.json', '{"resourceType": "Patient", "id": '),
    world.write('history.json', JSON.stringify(bundle)),
    world.write('letter.txt', 'Dear colleague'),
  ]);
  await line('broken.json').getByText(/it ends too early/).waitFor();
  await line('letter.txt').getByText(/kept as a file, not read/).waitFor();
  // The request that failed lost nothing.
  await line('history.json').getByText(/The server could not be reached/).waitFor();
  await accessible(page);
  await fits(page);
  await line('history.json').getByRole('button', { name: 'Try again' }).click();
  await line('history.json').getByText('5 new, 0 changed, 0 known already').waitFor();
  await line('history.json').getByText('1 entry was not understood').click();
  await line('history.json').getByText(/Entry 6: it does not say what kind of entry it is/).waitFor();
  await line('history.json').getByText('1 sensitive').waitFor();
  await line('broken.json').getByRole('button', { name: 'Keep it as a file' }).click();
  await line('broken.json').getByText(/kept as a file, not read/).waitFor();
  await page.getByText('3 of 3 done').waitFor();
  await accessible(page);
});

test('a form that is not filled in says so beside each field', async () => {
  await go(page, '/sharing', ME);
  await openDialog();
  await dialog().getByRole('button', { name: 'Look before sharing' }).click();
  for (const words of ['Say who it is for.', 'Choose at least one type.', 'Something above is still to be filled in.']) await dialog().getByText(words).waitFor();
  await dialog().getByLabel('Another length, in days (1–365)').fill('366');
  await dialog().getByText('Between 1 and 365 days.').waitFor();
  await dialog().getByLabel('Passcode (optional)').fill('abc');
  await dialog().getByText('Between 4 and 64 characters.').waitFor();
  await accessible(page);
  await dialog().getByRole('button', { name: 'Cancel' }).click();
});

let links: string[] = [];

test('several recipients get a link each, of the types chosen, without what is sensitive', async () => {
  await openDialog();
  await dialog().getByLabel('Name of the recipient').fill('Dr. Lee');
  await dialog().getByRole('button', { name: 'Add another recipient' }).click();
  await dialog().getByLabel('Name of recipient 2').fill('Nurse Joy');
  await dialog().getByLabel('E-mail address of recipient 2 (optional)').fill('joy@example.org');
  await dialog().getByLabel(/^Conditions/).check();
  await dialog().getByLabel('HIV (1)').waitFor();
  await dialog().getByLabel('Message (optional)').fill('Before our visit');
  await dialog().getByLabel('A mail without the link').check();
  await accessible(page);
  await dialog().getByRole('button', { name: 'Look before sharing' }).click();
  await dialog().getByText('Dr. Lee, Nurse Joy').waitFor();
  await dialog().getByText('3 entries').waitFor();
  expect(await dialog().getByText('Quiet matter').count()).toBe(0);
  await dialog().getByRole('button', { name: 'See it as they will see it' }).click();
  await dialog().getByRole('heading', { level: 2, name: 'Problems' }).first().waitFor();
  expect(await dialog().getByText('Quiet matter').count()).toBe(0);
  await accessible(page);
  await dialog().getByRole('button', { name: 'Make 2 links' }).click();
  await dialog().getByText('Everybody has a link of their own').waitFor();
  await dialog().getByText(/A mail without the link is on its way to joy@example.org/).waitFor();
  links = await dialog().getByTestId('share-url').evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value));
  expect(new Set(links).size).toBe(2);
  await accessible(page);
  await dialog().getByRole('button', { name: 'Done' }).click();
  const mails = (await world.mails()).filter((mail) => mail.to.includes('joy@example.org'));
  expect(mails.some((mail) => mail.text.includes('#'))).toBe(false);
});

test('who opened it is told, under the name they gave', async () => {
  const other = await world.fresh();
  const reader = await other.newPage();
  await reader.goto(links[1] ?? '');
  await reader.getByLabel('Who is reading?').fill('Joy at the desk');
  await reader.getByRole('button', { name: 'Open the record' }).click();
  await reader.getByText('Before our visit').waitFor();
  await reader.getByText('Asthma').first().waitFor();
  expect(await reader.getByText('Quiet matter').count()).toBe(0);
  expect(await reader.getByRole('button', { name: 'Download (FHIR)' }).count()).toBe(0);
  await other.close();
  const joy = page.locator('[data-share]').filter({ hasText: 'Nurse Joy' });
  await joy.getByText(/Opened once/).waitFor({ timeout: 30_000 });
  await joy.getByRole('button', { name: 'Details: Nurse Joy' }).click();
  await joy.getByText('Joy at the desk').waitFor();
  await joy.getByText('Before our visit').waitFor();
  await accessible(page);
});

test('single records are shared, and no others of their type', async () => {
  await openDialog();
  await dialog().getByLabel('Name of the recipient').fill('Physio');
  await dialog().getByText('Single records').click();
  await dialog().getByLabel('Search for records to share').fill('ankle');
  await dialog().getByLabel(/Sprained ankle/).check();
  await dialog().getByText('1 record chosen').waitFor();
  await accessible(page);
  await dialog().getByLabel('They may download a copy').check();
  await dialog().getByRole('button', { name: 'Look before sharing' }).click();
  await dialog().getByText('Exactly these records, and nothing that is added later.').waitFor();
  await dialog().getByRole('button', { name: 'Share now' }).click();
  const url = await dialog().getByTestId('share-url').inputValue();
  await dialog().getByRole('button', { name: 'Done' }).click();
  const other = await world.fresh({ acceptDownloads: true });
  const reader = await other.newPage();
  await reader.goto(url);
  await reader.getByLabel('Who is reading?').fill('Physio');
  await reader.getByRole('button', { name: 'Open the record' }).click();
  await reader.getByText('Sprained ankle').first().waitFor();
  expect(await reader.getByText('Asthma').count()).toBe(0);
  const [download] = await Promise.all([reader.waitForEvent('download'), reader.getByRole('button', { name: 'Download (FHIR)' }).click()]);
  expect(download.suggestedFilename()).toBe('chartkey-record.json');
  await other.close();
  await page.locator('[data-share]').filter({ hasText: 'Physio' }).getByText('1 download').waitFor({ timeout: 30_000 });
});

test('a range of dates is shared, sensitive records by a choice of their own', async () => {
  await openDialog();
  await dialog().getByLabel('Name of the recipient').fill('Clinic');
  await dialog().getByRole('button', { name: 'Everything' }).click();
  await dialog().getByLabel('Only from a certain time').check();
  await dialog().getByLabel('From', { exact: true }).fill('2024-01-01');
  await dialog().getByLabel('To', { exact: true }).fill('2024-12-31');
  await dialog().getByText(/^2 entries/).waitFor();
  await dialog().getByLabel('HIV (1)').check();
  await dialog().getByText(/^3 entries/).waitFor();
  await dialog().getByRole('button', { name: 'Look before sharing' }).click();
  for (const title of ['Sprained ankle', 'Quiet matter', 'Ferritin']) await dialog().getByText(title).first().waitFor();
  expect(await dialog().getByText('Hay fever').count()).toBe(0);
  await dialog().getByRole('button', { name: 'Share now' }).click();
  await dialog().getByTestId('share-url').waitFor();
  await dialog().getByRole('button', { name: 'Done' }).click();
});

test('what ended is shared again with the same terms, and lengthened, and its link shown again', async () => {
  const physio = page.locator('[data-share]').filter({ hasText: 'Physio' });
  await physio.getByRole('button', { name: 'Revoke' }).click();
  await dialog().getByRole('button', { name: 'Revoke' }).click();
  await physio.getByText('Revoked').waitFor();
  await physio.getByRole('button', { name: 'Share again' }).click();
  expect(await dialog().getByLabel('Name of the recipient').inputValue()).toBe('Physio');
  await dialog().getByText('1 record chosen').waitFor();
  await dialog().getByRole('button', { name: 'Look before sharing' }).click();
  await dialog().getByText('Sprained ankle').waitFor();
  await dialog().getByRole('button', { name: 'Share now' }).click();
  const url = await dialog().getByTestId('share-url').inputValue();
  await dialog().getByRole('button', { name: 'Done' }).click();
  const fresh = page.locator('[data-share]').filter({ hasText: 'Physio' }).filter({ hasText: 'Active' });
  await fresh.getByRole('button', { name: /Show more/ }).click();
  await page.getByRole('menuitem', { name: 'Extend' }).click();
  await dialog().getByRole('button', { name: '90 days longer' }).click();
  await accessible(page);
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().waitFor({ state: 'detached' });
  await fresh.getByRole('button', { name: /Show more/ }).click();
  await page.getByRole('menuitem', { name: 'Show the link' }).click();
  await expect.poll(() => dialog().getByTestId('share-url').inputValue()).toBe(url);
  await page.keyboard.press('Escape');
});
