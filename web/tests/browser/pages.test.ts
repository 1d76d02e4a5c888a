/** Every screen at three widths, light and dark: nothing keeps anybody out, nothing runs over. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accessible, fits, go, PASSWORD, signUp, walk, Wire, World } from './world.ts';

let world: World;
const ME = 'long@example.org';
const PRACTICE = 'practice@example.org';
/** The screens of a practice; what they are of is known once it is made. */
let practice: string[] = [];
const LONG = 'Wolfeschlegelsteinhausenbergerdorff-Oyelaran-Papadiamantopoulou';

beforeAll(async () => {
  world = await World.start();
  const context = await world.fresh();
  const page = await context.newPage();
  await signUp(world, page, { name: `${LONG} خدیجه`, email: ME });
  await go(page, '/record/add', ME);
  const hostile = {
    resourceType: 'Condition', id: 'evil', subject: { reference: 'Patient/1' }, onsetDateTime: '2020-02-02',
    clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] },
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><script>window.hacked=1</script></div>' },
    code: { text: '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>', coding: [{ system: 'javascript:alert(1)', code: 'x', display: '<svg onload=window.hacked=1>' }] },
  };
  await page.locator('input[type=file]').setInputFiles(world.write('hostile.json', JSON.stringify(hostile)));
  await page.getByText(/1 new, 0 changed/).waitFor({ timeout: 60_000 });
  await page.getByRole('link', { name: 'See my record' }).click();
  await page.getByText('<img src=x').first().waitFor();
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
  await context.close();
  const { patient, source, destination } = await world.makePractice(PRACTICE, `${LONG} خدیجه`);
  const to = (...paths: string[]) => paths.map((path) => `/caseload${path}`);
  practice = to(
    '', '/import', '/claims', '/connections', '/connections/new?direction=source', '/connections/new?direction=destination', `/connections/${source}`, `/connections/${destination}`, '/to-do', '/requests',
    `/${patient}`, `/${patient}/sync`, `/${patient}/shared`, `/${patient}/add`, `/${patient}/sheet`,
  );
});
afterAll(() => world.stop());

async function enter(page: Page, email: string, words = { email: 'E-mail address', password: 'Password', button: 'Sign in' }) {
  await page.goto('/sign-in');
  await page.getByLabel(words.email).fill(email);
  await page.getByLabel(words.password, { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: words.button }).click();
}

const OUTSIDE = ['/', '/sign-in', '/sign-up', '/sign-up/provider', '/recover', '/verify-email#token=x', '/claim', `/claim#invitation=${'x'.repeat(43)}`];
const INSIDE = ['/home', '/record', '/record/type/conditions', '/record/add', '/sharing', '/sharing/requests', '/sharing/connected', '/connections/signed-in?outcome=declined', '/claim/take', '/activity', '/activity/disclosures', '/activity/numbers', '/settings', '/settings/security', '/settings/data', '/settings/print'];

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 768, 1440]) {
    test(`every screen holds at ${width} pixels, ${colorScheme}`, async () => {
      const context = await world.fresh({ colorScheme, viewport: { width, height: 900 } });
      const wire = new Wire(context);
      const page = await context.newPage();
      for (const path of OUTSIDE) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).first().waitFor();
        await accessible(page);
        await fits(page);
      }
      await enter(page, ME);
      await page.getByRole('heading', { level: 1, name: /Hello/ }).waitFor();
      for (const path of INSIDE) {
        await walk(page, path);
        await accessible(page);
        await fits(page);
      }
      expect(wire.complaints).toEqual([]);
      await context.close();
    });
  }
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [390, 768, 1440]) {
    test(`every screen of a practice holds at ${width} pixels, ${colorScheme}`, async () => {
      const context = await world.fresh({ colorScheme, viewport: { width, height: 900 } });
      const wire = new Wire(context);
      const page = await context.newPage();
      await enter(page, PRACTICE);
      await page.getByRole('heading', { level: 1, name: 'Practice' }).waitFor();
      for (const path of practice) {
        await walk(page, path);
        await accessible(page);
        await fits(page);
      }
      expect(wire.complaints).toEqual([]);
      await context.close();
    });
  }
}

test('the screens of a practice hold from right to left, and in another language', async () => {
  const context = await world.fresh({ locale: 'es-ES', viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  await enter(page, PRACTICE, { email: 'Correo electrónico', password: 'Contraseña', button: 'Iniciar sesión' });
  await page.getByRole('heading', { level: 1, name: 'Consulta' }).waitFor();
  for (const path of practice) {
    await walk(page, path);
    await fits(page);
    const said = await page.locator('h1, h2, nav a, button, label, legend').allInnerTexts();
    for (const word of ['Caseload', 'Connections', 'To do', 'Patients', 'Sync now', 'Next', 'Save', 'Cancel', 'Delete', 'Import', 'Add a document']) expect(said, path).not.toContain(word);
    await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
    await fits(page);
    await page.evaluate(() => document.documentElement.setAttribute('dir', 'ltr'));
  }
  await context.close();
});

test('the words of another language are complete on the screen', async () => {
  const context = await world.fresh({ locale: 'es-ES' });
  const page = await context.newPage();
  await page.goto('/sign-in');
  await page.getByRole('heading', { level: 1, name: 'Iniciar sesión' }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('es');
  await accessible(page);
  await page.getByLabel('Correo electrónico').fill(ME);
  await page.getByLabel('Contraseña', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Iniciar sesión' }).click();
  await page.getByRole('heading', { level: 1, name: /Hola/ }).waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of INSIDE) {
    await walk(page, path);
    await fits(page);
    // Headings and buttons of ours, not what people wrote.
    const said = await page.locator('h1, h2, nav a, button, label, legend').allInnerTexts();
    for (const word of ['Settings', 'Sharing', 'Share', 'Download', 'Activity', 'Password', 'Save', 'Cancel', 'Until', 'Requests']) expect(said, path).not.toContain(word);
  }
  await context.close();
});

test('a locked vault keeps the screen and what was typed on it', async () => {
  const context = await world.fresh();
  const page = await context.newPage();
  // Of their own: an account may sign in ten times in a quarter of an hour.
  await signUp(world, page, { name: 'Lena Lock', email: 'lena@example.org' });
  await walk(page, '/record/add');
  await page.getByLabel('Title').fill('Something half written');
  await page.getByRole('button', { name: 'Lock' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await accessible(page);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor({ state: 'detached' });
  expect(await page.getByLabel('Title').inputValue()).toBe('Something half written');
  await context.close();
});
