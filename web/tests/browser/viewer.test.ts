/** The viewer's rarer doors: passcodes, links that ended, links cut off, links of other systems. */
import { createServer, type Server } from 'node:http';
import { createCipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { accessible, fits, Wire, World } from './world.ts';

let world: World;
let elsewhere: Server;
/** What the other system was asked. */
const asked: string[] = [];
let shlink = '';

/** A compact JWE as other systems make them. */
function jwe(key: Buffer, cty: string, plain: string, zip: boolean): string {
  const header = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', cty, ...(zip ? { zip: 'DEF' } : {}) })).toString('base64url');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(zip ? deflateRawSync(plain) : plain), cipher.final()]);
  return [header, '', iv.toString('base64url'), sealed.toString('base64url'), cipher.getAuthTag().toString('base64url')].join('.');
}

beforeAll(async () => {
  world = await World.start();
  const key = randomBytes(32);
  const vaccine = { resourceType: 'Immunization', status: 'completed', vaccineCode: { text: 'Tetanus vaccine' }, occurrenceDateTime: '2020-01-02', patient: { reference: '#p' } };
  const card = { iss: 'https://issuer.example', vc: { type: [], credentialSubject: { fhirVersion: '4.0.1', fhirBundle: { resourceType: 'Bundle', type: 'collection', entry: [{ fullUrl: 'resource:0', resource: vaccine }] } } } };
  const part = (value: string | Buffer) => Buffer.from(value).toString('base64url');
  const jws = `${part('{"zip":"DEF","alg":"ES256","kid":"x"}')}.${part(deflateRawSync(JSON.stringify(card)))}.${part('signature')}`;
  const allergy = { resourceType: 'AllergyIntolerance', id: 'n', code: { text: 'Peanuts' }, patient: { reference: 'Patient/1' } };
  elsewhere = createServer((request, response) => {
    const allow = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'content-type' };
    let body = '';
    request.on('data', (bytes) => { body += String(bytes); });
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      if (request.method === 'OPTIONS') return response.writeHead(204, allow).end();
      if (request.url === '/file') return response.writeHead(200, allow).end(jwe(key, 'application/smart-health-card', JSON.stringify({ verifiableCredential: [jws] }), true));
      const { passcode } = JSON.parse(body) as { passcode?: string };
      if (passcode === 'gone') return response.writeHead(404, allow).end();
      if (passcode !== 'tulip') return response.writeHead(401, { ...allow, 'content-type': 'application/json' }).end('{"remainingAttempts": 3}');
      const files = [{ contentType: 'application/fhir+json', embedded: jwe(key, 'application/fhir+json', JSON.stringify(allergy), false) }, { contentType: 'application/smart-health-card', location: '/file' }];
      return response.writeHead(200, { ...allow, 'content-type': 'application/json' }).end(JSON.stringify({ files }));
    });
  });
  await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
  const address = elsewhere.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const payload = { url: `http://127.0.0.1:${port}/manifest`, key: key.toString('base64url'), flag: 'P', label: 'School immunizations' };
  shlink = `shlink:/${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
});
afterAll(async () => {
  elsewhere.close();
  await world.stop();
});

const open = async (page: Page) => {
  await page.getByLabel('Who is reading?').fill('Dr. Lee');
  await page.getByRole('button', { name: 'Open the record' }).click();
};

test('a passcode is asked for, wrong ones are counted, and the right one opens', async () => {
  const url = await world.makeLink('pass@example.org', { passcode: 'tulip-9' });
  const context = await world.fresh();
  const page = await context.newPage();
  await page.goto(url);
  await open(page);
  await page.getByLabel('Passcode', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText(/That passcode is not right\. \d+ attempts are left\./).waitFor();
  await accessible(page);
  await page.getByLabel('Passcode', { exact: true }).fill('tulip-9');
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('Asthma').first().waitFor();
  await context.close();
});

test('a link that was taken back says so, and a new one can be asked for', async () => {
  const { url, revoke } = await world.makeShare('back@example.org');
  await revoke();
  const context = await world.fresh();
  const page = await context.newPage();
  await page.goto(url);
  await open(page);
  await page.getByRole('heading', { name: 'This link was taken back' }).waitFor();
  await page.getByRole('button', { name: 'Ask for a new link' }).click();
  await page.getByText('The patient was asked. They decide.').waitFor();
  await accessible(page);
  await context.close();
  expect((await world.mails()).some((mail) => mail.to.includes('back@example.org') && /link/i.test(mail.subject + mail.text))).toBe(true);
});

test('a link that opens later says when', async () => {
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  const url = await world.makeLink('early@example.org', { validFrom: tomorrow });
  const context = await world.fresh();
  const page = await context.newPage();
  await page.goto(url);
  await open(page);
  await page.getByRole('heading', { name: 'This link opens later' }).waitFor();
  await accessible(page);
  await context.close();
});

test('a link without its key can be put in whole', async () => {
  const url = await world.makeLink('cut@example.org');
  const context = await world.fresh();
  const page = await context.newPage();
  await page.goto(url.split('#')[0] ?? '');
  await page.getByRole('heading', { name: 'This link is incomplete' }).waitFor();
  await page.getByLabel('The whole link').fill('https://example.org/nothing');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('No link with its key is in this text.').waitFor();
  await accessible(page);
  await page.getByLabel('The whole link').fill(url);
  await page.getByRole('button', { name: 'Go on' }).click();
  await open(page);
  await page.getByText('Asthma').first().waitFor();
  await context.close();
});

test('a SMART Health Link of our own opens as our own', async () => {
  const made = await world.makeShare('own@example.org', { allowDownload: true });
  const context = await world.fresh();
  const wire = new Wire(context);
  const page = await context.newPage();
  await page.goto(`/records/shared/shl#${made.shlink ?? ''}`);
  await open(page);
  await page.getByText('Asthma').first().waitFor();
  expect([...wire.hosts]).toEqual([new URL(world.url).host]);
  await context.close();
});

test('a link of another system opens here, asked for only after Open, and its key goes nowhere', async () => {
  // Other systems are reached over TLS only; the one of this test is on this machine.
  const context = await world.fresh({ bypassCSP: true });
  const wire = new Wire(context);
  const page = await context.newPage();
  await page.goto(`/records/shared/shl#https://viewer.example/#${shlink}`);
  await page.getByText('School immunizations').waitFor();
  expect(page.url()).not.toContain('shlink');
  await accessible(page);
  expect(asked).toEqual([]);
  await page.getByLabel('Passcode', { exact: true }).fill('rose');
  await open(page);
  await page.getByText('That passcode is not right. 3 attempts are left.').waitFor();
  await page.getByLabel('Passcode', { exact: true }).fill('tulip');
  await page.getByRole('button', { name: 'Open the record' }).click();
  await page.getByText('Peanuts').first().waitFor({ timeout: 30_000 });
  await page.getByText('Tetanus vaccine').first().waitFor();
  await page.getByText(/A health card is among it/).waitFor();
  await accessible(page);
  await fits(page);
  expect(asked.filter((one) => one.startsWith('POST')).at(-1)).toContain('"recipient":"Dr. Lee"');
  const key = (JSON.parse(Buffer.from(shlink.slice('shlink:/'.length), 'base64url').toString()) as { key: string }).key;
  expect(wire.text.includes(key)).toBe(false);
  await context.close();
});

test('a link of another system that ended says so', async () => {
  const context = await world.fresh({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`/records/shared/shl#${shlink}`);
  await page.getByLabel('Passcode', { exact: true }).fill('gone');
  await open(page);
  await page.getByRole('heading', { name: 'This link is no longer active' }).waitFor();
  await accessible(page);
  await context.close();
});
