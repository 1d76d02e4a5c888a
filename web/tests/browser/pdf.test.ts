/** PDFs that are made in the browser: the same as the server's, and nothing goes anywhere for them. */
import { readFileSync } from 'node:fs';
import type { BrowserContext, Download, Page } from 'playwright-core';
import { extractText, getDocumentProxy } from 'unpdf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accessible, fits, Wire, World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

/** Text of each page without white space, places to break, and the time at which it was made. */
async function pagesOf(pdf: Uint8Array): Promise<string[]> {
  const { text } = await extractText(await getDocumentProxy(pdf));
  return text.map((page) => page.replaceAll(/[\s\u200b]/g, '').replaceAll(/Made\d{4}-\d{2}-\d{2}\d{2}:\d{2}UTC/g, 'Made'));
}

const bytesOf = async (download: Download) => new Uint8Array(readFileSync(await download.path()));

async function opened(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('Who is reading?').fill('Dr. Lee');
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('Asthma').first().waitFor();
  return page;
}

test('a link\'s reader takes a PDF that is the server\'s, and nothing of the record or its key is sent for it', async () => {
  const url = await world.makeLink('pdf@example.org', { allowDownload: true });
  const context = await world.fresh({ acceptDownloads: true });
  const wire = new Wire(context);
  const page = await opened(context, url);
  const before = wire.sent.length;
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download PDF' }).click()]);
  await page.getByText(/Saved as chartkey-record\.pdf/).waitFor();
  expect(download.suggestedFilename()).toBe('chartkey-record.pdf');
  const own = await pagesOf(await bytesOf(download));
  expect(own.join()).toContain('Asthma');

  const [token, key] = url.split('/').at(-1)?.split('#') ?? [];
  const server = await fetch(`${world.url}/api/records/shared/${token}`, { method: 'POST', headers: { accept: 'application/pdf', 'x-share-key': key ?? '', 'x-share-recipient': 'Dr. Lee' } });
  expect(server.status).toBe(200);
  expect(own).toEqual(await pagesOf(new Uint8Array(await server.arrayBuffer())));

  // Files of the app, and one request to have it counted.
  const sent = wire.sent.slice(before).filter((request) => !/^GET \S+\/assets\/\S+\.(js|wasm|ttf) /.test(request) && !/^GET \S+\/api\/records\/shared\/[\w-]+ /.test(request));
  expect(sent.filter((request) => !request.includes('blob:'))).toHaveLength(1);
  expect(sent[0]).toMatch(new RegExp(`^POST \\S+/api/records/shared/${token} `));
  for (const request of wire.sent) {
    expect(request).not.toMatch(/asthma/i);
    expect(request).not.toContain(key);
  }
  expect([...wire.hosts]).toEqual([new URL(world.url).host]);
  expect(wire.complaints).toEqual([]);
  await accessible(page);
  await context.close();
});

test('a press that cannot be fetched says so, counts nothing, and is fetched again when asked', async () => {
  const url = await world.makeLink('again@example.org', { allowDownload: true });
  const context = await world.fresh({ acceptDownloads: true });
  const wire = new Wire(context);
  const page = await opened(context, url);
  await context.route(/chartkey_press_bg.*\.wasm/, (route) => route.abort());
  await page.getByRole('button', { name: 'Download PDF' }).click();
  await page.getByText('What sets the pages could not be fetched.').waitFor();
  await accessible(page);
  expect(wire.sent.filter((request) => request.startsWith('POST'))).toEqual([]);
  await page.getByText('Asthma').first().waitFor();
  await context.unroute(/chartkey_press_bg.*\.wasm/);
  await page.setViewportSize({ width: 390, height: 844 });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download PDF' }).click()]);
  expect((await pagesOf(await bytesOf(download))).join()).toContain('Asthma');
  await page.getByText(/Saved as/).waitFor();
  await fits(page);
  await context.close();
});

test('a copy that the server refuses is not handed over', async () => {
  const { url, revoke } = await world.makeShare('late@example.org', { allowDownload: true });
  const context = await world.fresh({ acceptDownloads: true });
  const page = await opened(context, url);
  const downloads: Download[] = [];
  page.on('download', (download) => downloads.push(download));
  // It is taken back while the pages are being set.
  await context.route(/chartkey_press_bg.*\.wasm/, async (route) => {
    await revoke();
    await route.continue();
  });
  await page.getByRole('button', { name: 'Download PDF' }).click();
  await page.getByRole('heading', { name: 'This link was taken back' }).waitFor();
  expect(downloads).toEqual([]);
  await context.close();
});

test('without leave to take copies there is nothing to press', async () => {
  const url = await world.makeLink('stay@example.org', { allowDownload: false });
  const context = await world.fresh();
  const page = await opened(context, url);
  await page.getByRole('button', { name: 'Print' }).waitFor();
  expect(await page.getByRole('button', { name: /Download/ }).count()).toBe(0);
  await context.close();
});
