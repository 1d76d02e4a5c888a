/** A sealed dietician opens charts; those they are about take them over, by sheet and by mail, and give less. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { accessible, fits, go, PASSWORD, signUp, walk, Wire, World } from './world.ts';

const DANA = 'dana@example.org';
const ADMIN = 'office@example.org';
const ROSA = 'rosa@example.org';
const THEO = 'theo@example.org';
let world: World;
let dana: Page;
/** Where pictures are taken of what failed. */
let seen: Page[] = [];

beforeAll(async () => {
  world = await World.start();
  world.makeAdmin(ADMIN);
  dana = await open(await world.fresh());
  await signUp(world, dana, { name: 'Dana Rivera', email: DANA, provider: true });
  const office = await world.fresh();
  const admin = await office.newPage();
  await go(admin, '/admin', ADMIN);
  await admin.getByRole('button', { name: 'Confirm', exact: true }).click();
  await admin.getByText('Nobody is waiting').waitFor();
  await office.close();
  await go(dana, '/caseload', DANA);
});
// With CHARTKEY_SHOTS=<folder> a test that failed leaves pictures of where it was.
afterEach(async ({ task }) => {
  const folder = process.env.CHARTKEY_SHOTS;
  if (!folder || task.result?.state !== 'fail') return;
  for (const [at, page] of seen.entries()) if (!page.isClosed()) await page.screenshot({ path: `${folder}/${task.name.replace(/\W+/g, '-')}-${at}.png`, fullPage: true });
});
afterAll(() => world?.stop());

async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  seen = [...seen.filter((one) => !one.isClosed()), page];
  return page;
}

/** Opens a chart through the screens; ends on it, and says its address. */
async function openChart(name: string, email: string): Promise<string> {
  await walk(dana, '/caseload');
  await dana.getByRole('button', { name: 'Open a chart' }).first().click();
  const dialog = dana.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill(name);
  await dialog.getByLabel('E-mail address').fill(email);
  await dialog.getByLabel('Date of birth').fill('1971-06-30');
  await dialog.getByLabel('Dietary preferences').fill('Vegetarian; no peanuts.');
  await dialog.getByLabel('Medical history').fill('Coeliac disease since childhood.');
  await dialog.getByRole('button', { name: 'Open a chart' }).click();
  await dana.getByRole('heading', { level: 1, name }).waitFor();
  return new URL(dana.url()).pathname;
}

/** Fills in the form of an account that stands on the screen, and keeps the kit. */
async function register(page: Page, name: string, email: string) {
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel(/I understand that nobody/).check();
  await page.getByRole('button', { name: 'Open an account' }).click();
  const code = (await page.getByTestId('recovery-code').innerText()).trim();
  await page.getByLabel('Type the last group of the code').fill(code.split('-').at(-1) ?? '');
  await page.getByRole('button', { name: 'I have kept it' }).click();
}

async function confirmAddress(page: Page, email: string) {
  const mail = await page.context().newPage();
  await mail.goto(await world.linkTo(email, /http:\S+verify-email#token=[\w-]+/));
  await mail.getByRole('button', { name: 'Confirm' }).click();
  await mail.getByText('Your address is confirmed.').waitFor();
  await mail.close();
}

test('whoever has the sheet takes the chart over, and its key goes nowhere', async () => {
  const chart = await openChart('Rosa Delgado', ROSA);
  await walk(dana, `${chart}/sheet`);
  await dana.getByRole('button', { name: 'Make a sheet' }).click();
  const sheet = (await dana.getByTestId('claim-url').innerText()).trim();
  const key = sheet.split('.').at(-1) ?? '';
  expect(key).toMatch(/^[\w-]{43}$/);
  await accessible(dana);
  await fits(dana);

  const context = await world.fresh();
  const wire = new Wire(context);
  const rosa = await open(context);
  await rosa.goto(sheet);
  await rosa.getByRole('heading', { level: 1, name: 'Your chart' }).waitFor();
  await accessible(rosa);
  expect(rosa.url()).not.toContain(key);
  await rosa.getByRole('link', { name: 'Open an account' }).click();
  await register(rosa, 'Rosa Delgado', ROSA);
  await rosa.getByText('Then you can go on here.').waitFor();
  await accessible(rosa);
  await confirmAddress(rosa, ROSA);
  await rosa.getByRole('heading', { name: 'Take the chart over with your sheet' }).waitFor();
  await accessible(rosa);
  expect(await rosa.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))).not.toContain(key);
  await rosa.getByRole('button', { name: 'Take it over' }).click();
  await rosa.getByText('The chart is yours.').waitFor({ timeout: 60_000 });
  await rosa.getByText(/Dana Rivera keeps access until/).waitFor();
  await rosa.getByText('They may add to it.').waitFor();
  await accessible(rosa);
  await fits(rosa);

  // The empty record that came with the account is still there, beside.
  const whose = rosa.getByLabel('Whose record');
  await whose.getByText('Rosa Delgado (chart of Dana Rivera)').waitFor({ state: 'attached' });
  expect(await whose.locator('option').count()).toBe(2);
  await walk(rosa, '/record');
  await rosa.getByText('Dietary preferences').first().waitFor();
  await whose.selectOption({ label: 'Rosa Delgado' });
  await rosa.getByText('Dietary preferences').first().waitFor({ state: 'detached' });
  await whose.selectOption({ label: 'Rosa Delgado (chart of Dana Rivera)' });
  await rosa.getByText('Dietary preferences').first().waitFor();

  expect(world.between.text).not.toContain(key);
  expect(world.between.text).not.toContain('no peanuts');
  expect(wire.complaints).toEqual([]);

  // The practitioner hears of it, and reads on.
  await walk(dana, chart);
  await dana.getByText('Claimed', { exact: true }).first().waitFor();
  await walk(dana, `${chart}/sheet`);
  await dana.getByText('This chart belongs to its patient already.').waitFor();
  await context.close();
});

test('whom the mail reached asks, the practitioner confirms, and gets less later', async () => {
  const chart = await openChart('Theo Park', THEO);
  const context = await world.fresh();
  const theo = await open(context);
  await signUp(world, theo, { name: 'Theodor Park', email: 'theodor@elsewhere.example' });
  await theo.goto(await world.linkTo(THEO, /http:\S+claim#invitation=[\w-]+/));
  // A page that is loaded anew may have lost its keys: whoever is signed out comes back here.
  const known = theo.getByRole('link', { name: 'I have an account' });
  await known.or(theo.getByLabel('Your day of birth')).first().waitFor();
  if (await known.isVisible()) {
    await known.click();
    await theo.getByLabel('E-mail address').fill('theodor@elsewhere.example');
    await theo.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await theo.getByRole('button', { name: 'Sign in' }).click();
  }
  await theo.getByLabel('Your day of birth').fill('1970-01-01');
  await theo.getByRole('button', { name: 'Ask for my chart' }).click();
  await theo.getByText('This is not the day of birth in the chart.').waitFor();
  await accessible(theo);
  await theo.getByLabel('Your day of birth').fill('1971-06-30');
  await theo.getByRole('button', { name: 'Ask for my chart' }).click();
  await theo.getByText(/Dana Rivera has to confirm that it is you/).waitFor();
  await accessible(theo);

  await walk(dana, '/caseload/claims');
  await dana.getByText('Theodor Park claims the chart of Theo Park').waitFor();
  await dana.getByText('Another address', { exact: true }).waitFor();
  await accessible(dana);
  await dana.getByRole('button', { name: 'Confirm …' }).click();
  const dialog = dana.getByRole('dialog');
  await dialog.getByText(/It cannot be taken back/).waitFor();
  expect(await dialog.getByRole('button', { name: 'Hand it over' }).isDisabled()).toBe(true);
  await dialog.getByLabel(/I know that this is Theo Park/).check();
  await accessible(dana);
  await dialog.getByRole('button', { name: 'Hand it over' }).click();
  await dana.getByText('Theodor Park can take the chart over now.').waitFor();

  // Heard of without asking.
  await theo.getByRole('button', { name: 'Take it over' }).click({ timeout: 30_000 });
  await theo.getByText('The chart is yours.').waitFor({ timeout: 60_000 });
  await theo.getByRole('link', { name: 'Narrow or end it' }).click();
  await theo.getByRole('button', { name: 'Show more: Dana Rivera' }).click();
  await theo.getByRole('menuitem', { name: 'Give less' }).click();
  const less = theo.getByRole('dialog');
  await less.getByRole('button', { name: 'Give less' }).click();
  await less.getByText('Nothing is taken away yet.').waitFor();
  await less.getByRole('group', { name: 'May read' }).getByLabel('Diet', { exact: true }).uncheck();
  await less.getByLabel('May take copies').uncheck();
  await accessible(theo);
  await less.getByRole('button', { name: 'Give less' }).click();
  await less.waitFor({ state: 'detached', timeout: 60_000 });
  await theo.getByRole('heading', { name: 'Ended' }).waitFor();
  await accessible(theo);

  // What it covers no longer is gone from the practitioner's screen.
  await walk(dana, `/patients/${chart.split('/').at(-1)}`);
  await dana.getByText('Medical history').first().waitFor();
  expect(await dana.getByText('Dietary preferences').count()).toBe(0);
  await context.close();
});

test('whom nobody knows is refused, kindly', async () => {
  await openChart('Uma Stone', 'uma@example.org');
  const context = await world.fresh();
  const uma = await open(context);
  await uma.goto(await world.linkTo('uma@example.org', /http:\S+claim#invitation=[\w-]+/));
  await uma.getByRole('link', { name: 'Open an account' }).click();
  await register(uma, 'Somebody Else', 'else@example.org');
  await confirmAddress(uma, 'else@example.org');
  await uma.getByLabel('Your day of birth').fill('1971-06-30');
  await uma.getByRole('button', { name: 'Ask for my chart' }).click();
  await uma.getByText(/Dana Rivera has to confirm that it is you/).waitFor();
  await walk(dana, '/caseload/claims');
  await dana.getByRole('button', { name: 'Refuse' }).click();
  await dana.getByRole('dialog').getByRole('button', { name: 'Refuse' }).click();
  await dana.getByText('Somebody Else was refused.').waitFor();
  await uma.getByText(/did not recognise you/).waitFor({ timeout: 30_000 });
  await accessible(uma);
  await context.close();
});

test('new keys open everything that the old ones did', async () => {
  const context = await world.fresh();
  const page = await open(context);
  const before = await signUp(world, page, { name: 'Kim Key', email: 'kim@example.org' });
  await go(page, '/record/add', 'kim@example.org');
  await page.locator('input[type=file]').setInputFiles(world.write('k.json', JSON.stringify({ resourceType: 'Condition', id: 'k', code: { text: 'Hay fever' } })));
  await page.getByText(/1 new, 0 changed/).waitFor({ timeout: 60_000 });
  await walk(page, '/settings/security');
  await page.getByRole('button', { name: 'Change my keys …' }).click();
  const dialog = page.getByRole('dialog');
  await accessible(page);
  await dialog.getByLabel('Your password').fill('not this one at all');
  await dialog.getByRole('button', { name: 'Change them' }).click();
  await dialog.getByText('E-mail address and password do not belong together.').waitFor();
  await dialog.getByLabel('Your password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Change them' }).click();
  const code = (await page.getByTestId('recovery-code').innerText({ timeout: 60_000 })).trim();
  expect(code).not.toBe(before);
  await accessible(page);
  await page.getByLabel('Type the last group of the code').fill(code.split('-').at(-1) ?? '');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByText('You have new keys, and the new kit is kept.').waitFor();
  await walk(page, '/record');
  await page.getByText('Hay fever').first().waitFor();
  await go(page, '/record', 'kim@example.org');
  await page.getByText('Hay fever').first().waitFor();
  await context.close();
});

test('a patient sees what feeds their record and where it goes, and stops it', async () => {
  const practice = 'clinic@example.org';
  const { patient } = await world.makePractice(practice, 'Ivo Stern');
  const asked = async (path: string, body: object, token?: string) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    return (await (await fetch(`${world.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as { access_token: string; url: string };
  };
  const { access_token } = await asked('/api/auth/login', { email: practice, password: PASSWORD });
  const { url } = await asked(`/api/v1/patients/${patient}/claim-sheet`, {}, access_token);
  const context = await world.fresh();
  const ivo = await open(context);
  await ivo.goto(url);
  await ivo.getByRole('link', { name: 'Open an account' }).click();
  await register(ivo, 'Ivo Stern', 'ivo@example.org');
  await confirmAddress(ivo, 'ivo@example.org');
  await ivo.getByRole('button', { name: 'Take it over' }).click();
  await ivo.getByText('The chart is yours.').waitFor({ timeout: 60_000 });
  await ivo.getByRole('button', { name: 'I have read this' }).click();
  await walk(ivo, '/sharing/connected');
  const [from, to] = [ivo.getByRole('region', { name: 'Comes from' }), ivo.getByRole('region', { name: 'Goes to' })];
  await from.getByText('Hospital of Ivo Stern').waitFor();
  await from.getByText('Connected by Ivo Stern').waitFor();
  await to.getByText('Platform of Ivo Stern').waitFor();
  await ivo.getByRole('region', { name: 'What happened' }).getByRole('listitem').first().waitFor();
  for (const width of [390, 768, 1440]) {
    await ivo.setViewportSize({ width, height: 900 });
    await accessible(ivo);
    await fits(ivo);
  }
  await to.getByRole('button', { name: /^Stop/ }).click();
  await ivo.getByRole('dialog').getByText(/Nothing more is pushed/).waitFor();
  await ivo.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
  await to.getByText('Nothing is pushed anywhere.').waitFor();
  await ivo.getByRole('button', { name: 'Synchronise now' }).click();
  await ivo.getByText(/It did not work; look at what happened below|Done: 0 new/).waitFor({ timeout: 60_000 });
  await accessible(ivo);
  await context.close();
});
