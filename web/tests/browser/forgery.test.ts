/** A log that is not what it was: the dashboard names what was done to it. */
import { afterAll, beforeAll, test } from 'vitest';
import type { Page } from 'playwright-core';
import { accessible, go, signUp, walk, World } from './world.ts';

const ME = 'vera@example.org';
let world: World;
let page: Page;

beforeAll(async () => {
  world = await World.start();
  const context = await world.fresh();
  page = await context.newPage();
  await signUp(world, page, { name: 'Vera Ify', email: ME });
});
afterAll(() => world.stop());

async function check(): Promise<void> {
  await walk(page, '/home');
  await walk(page, '/activity');
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText(/What was checked/).first().waitFor();
}

test('an honest log is whole, and whole again when it grew', async () => {
  world.between.remember();
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
  world.between.forgery = 'flip';
  await check();
  await page.getByRole('status').getByText('An entry was changed after it was logged.').waitFor();
  await accessible(page);
});

test('a log that was cut off is named', async () => {
  world.between.forgery = 'truncate';
  await check();
  await page.getByRole('status').getByText('The log was cut off').waitFor();
});

test('a log that was forked is named', async () => {
  world.between.forgery = 'fork';
  await check();
  await page.getByRole('status').getByText('The log was forked').waitFor();
});

test('what convicts is not forgotten: the honest log is whole again', async () => {
  world.between.forgery = 'none';
  await check();
  await page.getByText('The log is whole.').waitFor();
});
