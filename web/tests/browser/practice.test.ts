/** A dietician opens a chart, connects a hospital and platforms, synchronises, and files what no program can. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { accessible, Fakes, fits, go, signUp, walk, Wire, World } from './world.ts';

const ME = 'practice@example.org';
const ADMIN = 'office@example.org';
let world: World;
let fakes: Fakes;
let context: BrowserContext;
let page: Page;
let wire: Wire;

beforeAll(async () => {
  fakes = await Fakes.start();
  world = await World.start({ CONNECTION_ALLOWED_HOSTS: '127.0.0.1' });
  world.makeAdmin(ADMIN);
  context = await world.fresh();
  wire = new Wire(context);
  page = await context.newPage();
  await signUp(world, page, { name: 'Mira Okafor', email: ME, provider: true });
  const office = await world.fresh();
  const admin = await office.newPage();
  await go(admin, '/admin', ADMIN);
  await admin.getByRole('button', { name: 'Confirm', exact: true }).click();
  await admin.getByText('Nobody is waiting').waitFor();
  await office.close();
});
// With CHARTKEY_SHOTS=<folder> a test that failed leaves a picture of where it was.
afterEach(async ({ task }) => {
  const folder = process.env.CHARTKEY_SHOTS;
  if (folder && task.result?.state === 'fail') await page.screenshot({ path: `${folder}/${task.name.replace(/\W+/g, '-')}.png`, fullPage: true });
});
afterAll(async () => {
  await world?.stop();
  await fakes?.stop();
});

const next = () => page.getByRole('button', { name: 'Next' }).click();

/** Goes through the steps up to the patients; ends when the connection was tried. */
async function connect(of: { name: string; address: string; key?: string; kind?: string; more?: [string, string][] }) {
  if (of.kind) {
    await page.getByRole('radio', { name: new RegExp(of.kind) }).click();
    await next();
  }
  await page.getByLabel('What you call it').fill(of.name);
  await page.getByLabel('Address', { exact: true }).fill(of.address);
  for (const [label, value] of of.more ?? []) await page.getByLabel(label).fill(value);
  await next();
  if (of.key) {
    await page.getByLabel('It wants').selectOption('bearer');
    await page.getByLabel('API key or token', { exact: true }).fill(of.key);
  }
  await next();
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByText(`${of.name} works.`).waitFor();
}

/** The chart is not claimed yet: somebody's word is written down. */
async function authorize() {
  await page.getByLabel('Obtained on').fill('2026-01-15');
  await page.getByLabel('Note (optional)').fill('Signed at the first visit');
}

test('a chart is opened, and says that nobody has claimed it', async () => {
  await go(page, '/caseload', ME);
  await page.getByText('No patients yet').waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Open a chart' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Open a chart' }).click();
  await dialog.getByText('Please fill this in.').waitFor();
  await dialog.getByLabel('Name', { exact: true }).fill('Rosa Delgado');
  await dialog.getByLabel('E-mail address').fill('rosa@example.org');
  await dialog.getByLabel('Date of birth').fill('1971-06-30');
  await dialog.getByLabel('Dietary preferences').fill('Vegetarian; no peanuts.');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Open a chart' }).click();
  await page.getByRole('heading', { level: 1, name: 'Rosa Delgado' }).waitFor();
  await page.getByText('Not claimed yet').waitFor();
  await page.getByText('Dietary preferences').first().waitFor();
  expect(world.between.text).not.toContain('peanuts');
  expect((await world.mails()).find((mail) => mail.to.includes('rosa@example.org'))?.text).not.toContain('Rosa');
});

test('a provider and a platform are connected step by step, and their secrets are not shown again', async () => {
  await page.getByRole('link', { name: 'Synchronisation' }).click();
  await page.getByRole('link', { name: 'Connect a provider' }).click();
  await page.getByRole('heading', { level: 1, name: 'Connect a provider' }).waitFor();
  await next();
  await page.getByText('Please fill this in.').first().waitFor();
  const { fhir, fhir_sink } = fakes.at;
  await connect({ name: 'Harbour General', address: fhir.base_url });
  await accessible(page);
  await next();
  await page.getByLabel('Their number there').fill(fhir.patient);
  await page.getByRole('button', { name: 'Connect 1 patient' }).click();
  await page.getByText('Please fill this in.').waitFor();
  await authorize();
  await accessible(page);
  await page.getByRole('button', { name: 'Connect 1 patient' }).click();
  await page.getByRole('link', { name: 'Harbour General' }).waitFor();

  await page.getByRole('link', { name: 'Connect a platform' }).click();
  await page.getByRole('radio', { name: /FHIR server/ }).click();
  await next();
  await page.getByLabel('What you call it').fill('Harbour Street');
  await page.getByLabel('Address', { exact: true }).fill(fhir_sink.base_url);
  await next();
  await page.getByLabel('It wants').selectOption('bearer');
  await page.getByLabel('API key or token', { exact: true }).fill('a wrong key');
  await next();
  await page.getByLabel('If the platform has no client').selectOption('auto');
  await page.getByRole('button', { name: 'Try it' }).click();
  // What is wrong is said, and nothing that was typed is lost on the way back.
  await page.getByText('It refused the sign-in.').waitFor();
  await page.getByRole('button', { name: 'Credentials' }).click();
  await page.getByLabel('API key or token', { exact: true }).fill(fhir_sink.key);
  await next();
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByText('Harbour Street works.').waitFor();
  await next();
  await page.getByLabel('Every type').uncheck();
  await page.getByLabel('Diet', { exact: true }).check();
  await page.getByLabel('Lab results', { exact: true }).check();
  await authorize();
  await page.getByRole('button', { name: 'Connect 1 patient' }).click();
  await page.getByRole('link', { name: 'Harbour Street' }).click();
  await page.getByRole('heading', { level: 1, name: 'Harbour Street' }).waitFor();
  await page.getByText('They are kept, and not shown.').waitFor();
  expect(await page.content()).not.toContain(fhir_sink.key);
  await accessible(page);
});

test('a synchronisation is followed while it runs, its documents open, and its log tells the story', async () => {
  await page.getByRole('link', { name: 'Rosa Delgado' }).click();
  await page.getByRole('heading', { level: 1, name: 'Rosa Delgado' }).waitFor();
  await page.getByRole('button', { name: 'Sync now' }).click();
  await page.getByRole('menuitem', { name: 'Both ways' }).click();
  const panel = page.getByRole('region', { name: 'Synchronisation' });
  await panel.getByText('Harbour General').waitFor();
  await panel.getByRole('heading', { name: 'Synchronised' }).waitFor({ timeout: 60_000 });
  await accessible(page);
  await panel.getByRole('button', { name: 'Close' }).click();
  await page.getByText(/Read Harbour General: \d+ new/).waitFor({ timeout: 30_000 });
  await page.getByText('Sent to Harbour Street.').first().waitFor({ timeout: 60_000 });
  await page.getByText('A client for this patient was created in Harbour Street.').waitFor();
  await page.getByRole('button', { name: /Went wrong 0/ }).click();
  await page.getByText('Nothing like that').waitFor();
  await accessible(page);
  await page.getByRole('link', { name: 'Documents' }).click();
  await page.getByRole('button', { name: /Vaccines \d+/ }).click();
  await page.getByRole('region', { name: 'Timeline' }).getByRole('link').first().click();
  await page.getByText('Source data').waitFor();
  // Where it came from is told by name.
  await page.getByText('Harbour General').first().waitFor();
  await accessible(page);
  const received = (await (await fetch(`${fakes.at.fhir_sink.base_url}/_journal`)).json()) as unknown[];
  expect(received.length).toBeGreaterThan(0);
});

test('what a platform does not take is handed to a person, who closes it', async () => {
  await walk(page, '/caseload/connections');
  await page.getByRole('link', { name: 'Connect a platform' }).click();
  const { carepatron } = fakes.at;
  await connect({ name: 'Carepatron', kind: 'Carepatron', address: carepatron.base_url, key: carepatron.key, more: [['Workspace', 'workspace-1']] });
  await next();
  await page.getByText('Rosa Delgado').click();
  await page.getByLabel('Their number there').fill('contact-1');
  await page.getByLabel('Every type').uncheck();
  await page.getByLabel('Diet', { exact: true }).check();
  await authorize();
  await page.getByRole('button', { name: 'Connect 1 patient' }).click();
  await page.getByRole('heading', { level: 1, name: 'Carepatron' }).waitFor();
  await walk(page, '/caseload/to-do');
  await page.getByRole('heading', { name: /To file by hand/ }).waitFor({ timeout: 30_000 });
  await page.getByText('Dietary preferences').waitFor();
  await accessible(page);
  await fits(page);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: /Download: Dietary preferences/ }).click();
  expect((await download).suggestedFilename()).toMatch(/_diet_.*\.txt$/);
  await page.getByRole('button', { name: /Mark as filed: Dietary preferences/ }).click();
  await page.getByText('Nothing to do').waitFor();
  await walk(page, '/caseload');
  await page.getByRole('link', { name: 'Rosa Delgado' }).click();
  await page.getByRole('link', { name: 'Synchronisation' }).click();
  await page.getByText('Filed by hand in Carepatron.').waitFor();
  expect(world.between.text).not.toContain('peanuts');
  expect(wire.complaints).toEqual([]);
});

test('a list of contacts becomes charts, row by row, and nobody gets two', async () => {
  const list = world.write('contacts.csv', [
    'First Name,Last Name,Email,Phone,DOB', 'Ann,Ahmadi,ann@example.org,+1 555 01,03/04/1980', 'Bo,Li,bo@example.org,,05/06/1990', 'Cy,,not an address,,', 'Rosa,Delgado,ROSA@example.org,,',
  ].join('\n'));
  await walk(page, '/caseload/import');
  await page.locator('input[type=file]').setInputFiles(list);
  await page.getByText('Please say which.').waitFor();
  await page.getByText('This is no e-mail address').waitFor();
  await page.getByText('There already, left out').waitFor();
  await accessible(page);
  await page.getByLabel('How are the dates written?').selectOption('day');
  await page.getByRole('button', { name: 'Open 2 charts' }).click();
  await page.getByText('2 of 2 done').waitFor({ timeout: 60_000 });
  await accessible(page);
  await page.getByRole('link', { name: 'See the caseload' }).click();
  await page.getByText('born Apr 3, 1980').waitFor();
  await page.getByLabel('Find by name, e-mail or number').fill('ahma');
  await page.getByText('Bo Li').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'More for Ann Ahmadi' }).click();
  await page.getByRole('menuitem', { name: 'Delete the chart' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the chart' }).click();
  await page.getByText('Nobody like that').waitFor();
});

test('a chart that could not be opened keeps what was typed', async () => {
  await walk(page, '/caseload');
  await page.getByRole('button', { name: 'Open a chart' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Dee Ek');
  await dialog.getByLabel('E-mail address').fill('dee@example.org');
  world.between.away = true;
  await dialog.getByRole('button', { name: 'Open a chart' }).click();
  await dialog.getByRole('alert').waitFor();
  expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('Dee Ek');
  world.between.away = false;
  await dialog.getByRole('button', { name: 'Open a chart' }).click();
  await page.getByRole('heading', { level: 1, name: 'Dee Ek' }).waitFor();
});

test('documents are asked for by a link, sent without an account, and arrive sealed', async () => {
  await walk(page, '/caseload/requests');
  await page.getByText('You have asked for nothing yet').waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Ask for documents' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Ask', exact: true }).click();
  await dialog.getByText('Please fill this in.').first().waitFor();
  await dialog.getByLabel('Patient').selectOption({ label: 'Rosa Delgado' });
  await dialog.getByLabel('How it goes out').selectOption('link');
  await dialog.getByLabel('What you say to them').fill('The laboratory report of last autumn, please.');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Ask', exact: true }).click();
  const url = (await page.getByTestId('upload-url').innerText()).trim();
  await page.getByRole('button', { name: 'I have it' }).click();

  const elsewhere = await world.fresh({ viewport: { width: 390, height: 844 } });
  const other = new Wire(elsewhere);
  const clinic = await elsewhere.newPage();
  await clinic.goto(new URL(url).pathname);
  await clinic.getByText('The laboratory report of last autumn, please.').waitFor();
  await accessible(clinic);
  await fits(clinic);
  await clinic.getByLabel(/Your name or practice/).fill('City Laboratory');
  await clinic.locator('input[type=file]').setInputFiles([world.write('report.txt', 'Ferritin 41 ug/L'), world.write('second.txt', 'Vitamin D 30 ng/mL')]);
  await clinic.getByText('Thank you. 2 documents arrived.').waitFor();
  await accessible(clinic);
  expect(other.complaints).toEqual([]);
  await elsewhere.close();

  await walk(page, '/caseload');
  await walk(page, '/caseload/requests');
  await page.getByText('Something came').waitFor({ timeout: 70_000 });
  await page.getByText('2 documents').waitFor();
  await page.getByRole('button', { name: 'Enough: Rosa Delgado' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Enough' }).click();
  await page.getByText('Closed').waitFor();
  await page.getByRole('link', { name: 'Rosa Delgado' }).click();
  await page.getByLabel('Search the documents').fill('report');
  await page.getByRole('link', { name: /report/ }).first().waitFor();
});

test('a document is shared with another practitioner, and taken back', async () => {
  await world.makePractice('other@example.org', 'Olu Adeyemi');
  await page.getByRole('link', { name: /report/ }).first().click();
  await page.getByRole('button', { name: 'Share with a practitioner' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'Find a provider' }).fill('Olu');
  await page.getByRole('option', { name: /Olu Adeyemi/ }).click();
  await dialog.getByText('You have not shared with this key before.').waitFor();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Share with a practitioner' }).click();
  await dialog.getByText('Olu Adeyemi can open it now.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('link', { name: 'Rosa Delgado' }).click();
  await page.getByRole('link', { name: 'Shared', exact: true }).click();
  await page.getByText(/You gave it to Olu Adeyemi/).waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Take back: Olu Adeyemi' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click();
  await page.getByText('Taken back').waitFor();
});
