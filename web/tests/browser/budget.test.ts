/** What a first visit costs on the wire, compressed. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BrowserContext, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

/** Bytes by suffix that come over the wire, and what is still on its way. */
class Cost {
  readonly sums: Record<string, number> = {};
  private readonly open = new Set<Request>();

  constructor(context: BrowserContext) {
    // The script of a shared worker is never reported as finished.
    context.on('request', (request) => /\/assets\/shared-/.test(request.url()) || this.open.add(request));
    context.on('requestfinished', (request) => this.open.delete(request));
    context.on('requestfailed', (request) => this.open.delete(request));
    context.on('response', (response) => {
      const suffix = /\.(js|wasm)$/.exec(new URL(response.url()).pathname)?.[1];
      if (!suffix) return;
      expect(response.headers()['cache-control']).toContain('immutable');
      this.sums[suffix] = (this.sums[suffix] ?? 0) + Number(response.headers()['content-length'] ?? 0);
    });
  }

  async settled(page: Page) {
    await page.waitForLoadState('load');
    await expect.poll(() => this.open.size, { timeout: 20_000 }).toBe(0);
  }
}

/** A built script and all that it imports from its start, which for workers no browser reports. */
function withImports(begin: RegExp): number {
  const folder = resolve('dist/assets');
  const first = readdirSync(folder).find((name) => begin.test(name));
  expect(first).toBeDefined();
  const seen = new Set<string>();
  const take = (name: string): number => {
    if (seen.has(name)) return 0;
    seen.add(name);
    const imports = readFileSync(resolve(folder, name), 'utf8').matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g);
    const own = [`${name}.br`, name].map((one) => statSync(resolve(folder, one), { throwIfNoEntry: false })?.size).find((size) => size !== undefined);
    return [...imports].reduce((sum, [, imported = '']) => sum + take(imported), own ?? 0);
  };
  return take(first ?? '');
}

test('the first page of the app is at most 400 KB of JavaScript, its worker with it', async () => {
  const context = await world.fresh();
  const cost = new Cost(context);
  const page = await context.newPage();
  await page.goto('/');
  await page.getByRole('heading').first().waitFor();
  await cost.settled(page);
  await context.close();
  const js = (cost.sums.js ?? 0) + withImports(/^shared-.*\.js$/);
  console.info(`app: ${js} bytes of JavaScript`);
  expect(js).toBeGreaterThan(10_000);
  expect(js).toBeLessThan(400_000);
});

test('a link opens with at most 250 KB of JavaScript and 400 KB of WebAssembly', async () => {
  const url = await world.makeLink('budget@example.org');
  const context = await world.fresh();
  const cost = new Cost(context);
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('Who is reading?').fill('Dr. Lee');
  expect(cost.sums.wasm).toBeUndefined();
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('Asthma').first().waitFor();
  await cost.settled(page);
  await context.close();
  const { js = 0, wasm = 0 } = cost.sums;
  console.info(`viewer: ${js} bytes of JavaScript, ${wasm} of WebAssembly`);
  expect(js).toBeGreaterThan(10_000);
  expect(js).toBeLessThan(250_000);
  expect(wasm).toBeGreaterThan(10_000);
  expect(wasm).toBeLessThan(400_000);
});
