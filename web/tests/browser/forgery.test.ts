/** A log that is not what it was: the dashboard names what was done to it. */
import { afterAll, beforeAll, test } from 'vitest';
import type { Page } from 'playwright-core';
import { Forger } from './forger.ts';
import { accessible, go, signUp, walk, World } from './world.ts';

const ME = 'vera@example.org';
let world: World;
let forger: Forger;
let page: Page;

beforeAll(async () => {
  world = await World.start();
  forger = await Forger.before(world.url);
  const first = await world.fresh();
  await signUp(world, await first.newPage(), { name: 'Vera Ify', email: ME });
  await first.close();
  const context = await world.fresh({ baseURL: forger.url });
  page = await context.newPage();
  await go(page, '/activity', ME);
});
afterAll(async () => {
  forger.stop();
  await world.stop();
});

async function check(): Promise<void> {
  await walk(page, '/home');
  await walk(page, '/activity');
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText(/What was checked/).first().waitFor();
}

test('an honest log is whole, and whole again when it grew', async () => {
  forger.remember();
  await check();
  await page.getByText('From now on it notices whatever is rewritten.').waitFor();
  const other = await world.fresh();
  await go(await other.newPage(), '/home', ME);
  await other.close();
  await check();
  await page.getByText(/nothing before was changed or removed/).waitFor({ state: 'attached' });
  await page.getByText('The log is whole.').waitFor();
});

test('a row that was flipped is named', async () => {
  forger.forgery = 'flip';
  await check();
  await page.getByRole('status').getByText('An entry was changed after it was logged.').waitFor();
  await accessible(page);
});

test('a log that was cut off is named', async () => {
  forger.forgery = 'truncate';
  await check();
  await page.getByRole('status').getByText('The log was cut off').waitFor();
});

test('a log that was forked is named', async () => {
  forger.forgery = 'fork';
  await check();
  await page.getByRole('status').getByText('The log was forked').waitFor();
});

test('what convicts is not forgotten: the honest log is whole again', async () => {
  forger.forgery = 'none';
  await check();
  await page.getByText('The log is whole.').waitFor();
});
