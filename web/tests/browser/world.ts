/** A server of its own for each test file, and browsers with empty profiles. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import AxeBuilder from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { Between } from './between.ts';

const BINARY = process.env.CHARTKEY_BINARY ?? resolve('../target/release/chartkey');
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });

export interface Mail { to: string; subject: string; text: string }

export const PASSWORD = 'a quiet garden in november';

export class World {
  private constructor(readonly url: string, readonly between: Between, private readonly server: ChildProcess, private readonly folder: string, private readonly browser: Browser) {}

  /** `env` is what the server gets besides. */
  static async start(env: Record<string, string> = {}): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'chartkey-browser-'));
    const port = await freePort();
    const between = await Between.before(`http://127.0.0.1:${port}`);
    const { url } = between;
    const server = spawn(BINARY, ['serve', '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data')], {
      cwd: folder, env: { PATH: process.env.PATH, APP_URL: url, CHARTKEY_ENV: 'development', ...env }, stdio: 'ignore',
    });
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    for (let tries = 0; tries < 200; tries += 1) {
      const ready = await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return new World(url, between, server, folder, browser);
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error('the server did not come up');
  }

  async stop() {
    await this.browser.close();
    const gone = new Promise((done) => this.server.once('exit', done));
    this.server.kill('SIGTERM');
    await gone;
    this.between.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** An administrator, made as an operator makes one. */
  makeAdmin(email: string) {
    execFileSync(BINARY, ['admin', 'create', '--email', email, '--password', PASSWORD, '--data', join(this.folder, 'data')], {
      cwd: this.folder, env: { PATH: process.env.PATH, CHARTKEY_ENV: 'development' }, stdio: 'ignore',
    });
  }

  /** A link to one record, made by somebody who lets the server help; what is asked of it can be given. */
  async makeLink(email: string, terms: object = {}): Promise<string> {
    return (await this.makeShare(email, terms)).url;
  }

  /** A call as a program makes it. */
  private async asked<T>(method: string, path: string, body: object, token?: string, type = 'application/json'): Promise<T> {
    const headers = { 'content-type': type, accept: 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(`${this.url}${path}`, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json().catch(() => null)) as T;
  }

  /** Confirms an address and signs in. */
  private async enter(email: string): Promise<string> {
    const token = (await this.linkTo(email, /verify-email#token=[\w-]+/)).split('=')[1];
    await this.asked('POST', '/api/auth/verify-email', { token });
    return (await this.asked<{ access_token: string }>('POST', '/api/auth/login', { email, password: PASSWORD })).access_token;
  }

  async makeShare(email: string, terms: object = {}): Promise<{ url: string; shlink: string | null; revoke: () => Promise<unknown> }> {
    await this.asked('POST', '/api/patients/register', { email, password: PASSWORD, name: 'Ada Doe' });
    const token = await this.enter(email);
    const resource = { resourceType: 'Condition', id: 'asthma', code: { text: 'Asthma' } };
    await this.asked('POST', '/api/records', resource, token, 'application/fhir+json');
    const made = await this.asked<{ url: string; shlink: string | null; share: { id: string } }>('POST', '/api/records/share', { recordTypes: ['conditions'], expiresInDays: 7, sendEmail: 'none', ...terms }, token);
    return { url: made.url, shlink: made.shlink, revoke: () => this.asked('DELETE', `/api/records/share/${made.share.id}`, {}, token) };
  }

  /**
   * A practice with one patient of that name, on a hospital that cannot be
   * reached and on a platform whose documents are filed by hand. Its address is
   * of nobody, so that synchronising it goes wrong at once.
   */
  async makePractice(email: string, name: string): Promise<{ patient: string; source: string; destination: string }> {
    const office = `office-${email}`;
    this.makeAdmin(office);
    const { account_id } = await this.asked<{ account_id: string }>('POST', '/api/providers/register', { email, password: PASSWORD, name, type: 'Dietician', license_number: 'D-1', license_country: 'US' });
    const token = await this.enter(email);
    const admin = await this.asked<{ access_token: string }>('POST', '/api/auth/login', { email: office, password: PASSWORD });
    await this.asked('POST', `/api/admin/providers/${account_id}/verification`, { decision: 'approve' }, admin.access_token);
    const chart = await this.asked<{ id: string }>('POST', '/api/v1/patients', {
      name, email: `a.very.long.address.of.a.patient.${email}`, date_of_birth: '1971-06-30', contact_details: `${name}\n+1 555 0100`, carepatron_patient_id: 'P-0123456789012345678901234567890123456789', dietary_preferences: 'Vegetarian',
    }, token);
    const about = { patient_id: chart.id, authorization: { obtained_on: '2026-01-15', method: 'paper' }, schedule: 'manual' };
    const source = await this.asked<{ id: string }>('POST', '/api/v1/connections', { kind: 'fhir', direction: 'source', name: `Hospital of ${name}`, base_url: 'https://127.0.0.1/fhir', remote_patient_id: 'p1', ...about }, token);
    const destination = await this.asked<{ id: string }>('POST', '/api/v1/connections', {
      kind: 'carepatron', direction: 'destination', name: `Platform of ${name}`, base_url: 'https://127.0.0.1', credentials: { type: 'bearer', token: 'key' }, settings: { provider_id: 'w1' }, remote_patient_id: 'c1', ...about,
    }, token);
    await this.asked('POST', `/api/v1/patients/${chart.id}/sync`, { wait: true }, token);
    return { patient: chart.id, source: source.id, destination: destination.id };
  }

  /** A browser that was never here. */
  fresh(options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
    return this.browser.newContext({ baseURL: this.url, locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce', viewport: { width: 1440, height: 900 }, ...options });
  }

  async mails(): Promise<Mail[]> {
    return (await (await fetch(`${this.url}/dev/mail.json`)).json()) as Mail[];
  }

  /** The newest mail to somebody that holds a link of this form. */
  async linkTo(to: string, form: RegExp): Promise<string> {
    for (let tries = 0; tries < 100; tries += 1) {
      for (const mail of await this.mails()) {
        const found = mail.to.includes(to) ? form.exec(mail.text)?.[0] : undefined;
        if (found) return found;
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`no mail to ${to}`);
  }

  /** A file of the repository's test data, unpacked where a browser can choose it. */
  unpack(name: string): string {
    const path = join(this.folder, name.replace('.gz', ''));
    writeFileSync(path, gunzipSync(readFileSync(resolve('../testdata/synthea', name))));
    return path;
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }
}

/** Made-up hospitals and platforms at the other end. */
export class Fakes {
  private constructor(private readonly program: ChildProcess, readonly at: Record<'epic' | 'oracle' | 'fhir', { base_url: string; patient: string }> & Record<'cliniko' | 'healthie' | 'carepatron' | 'plain' | 'fhir_sink', { base_url: string; key: string }>) {}

  /** They stand on ports of their own, and say where in their first line. */
  static async start(): Promise<Fakes> {
    const program = spawn(join(dirname(BINARY), 'chartkey-fakes'), { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    for await (const piece of program.stdout) {
      said += String(piece);
      if (said.includes('\n')) return new Fakes(program, JSON.parse(said) as Fakes['at']);
    }
    throw new Error('the made-up systems did not come up');
  }

  async stop() {
    const gone = new Promise((done) => this.program.once('exit', done));
    this.program.kill('SIGTERM');
    await gone;
  }
}

/** What went over the wire from a browser, and what it complained of. */
export class Wire {
  readonly sent: string[] = [];
  readonly complaints: string[] = [];
  readonly hosts = new Set<string>();

  constructor(context: BrowserContext) {
    context.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http')) this.hosts.add(url.host);
      this.sent.push(`${request.method()} ${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`);
    });
    context.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    context.on('weberror', (error) => this.complaints.push(String(error.error())));
  }

  get text(): string {
    return this.sent.join('\n');
  }
}

/** Nothing that keeps somebody out, on the page as it stands. */
export async function accessible(page: Page) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze();
  const serious = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`);
  expect(serious, page.url()).toEqual([]);
}

/** Nothing runs out of the page at its side. */
export async function fits(page: Page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(over, page.url()).toBeLessThanOrEqual(0);
}

/** Opens an account through the screens and confirms its address. Ends on its first screen. */
export async function signUp(world: World, page: Page, person: { name: string; email: string; provider?: boolean }) {
  await page.goto(person.provider ? '/sign-up/provider' : '/sign-up');
  await page.getByLabel('Your name').fill(person.name);
  await page.getByLabel('E-mail address').fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  if (person.provider) {
    await page.getByLabel('Profession').fill('Dietician');
    await page.getByLabel('Licence number').fill('D-4711');
    await page.getByLabel('Country').fill('US');
  }
  await page.getByLabel(/I understand that nobody/).check();
  await page.getByRole('button', { name: 'Open an account' }).click();
  const code = (await page.getByTestId('recovery-code').innerText()).trim();
  await page.getByLabel('Type the last group of the code').fill(code.split('-').at(-1) ?? '');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  const link = await world.linkTo(person.email, /http:\S+verify-email#token=[\w-]+/);
  const mail = await page.context().newPage();
  await mail.goto(link);
  await mail.getByRole('button', { name: 'Confirm' }).click();
  await mail.getByText('Your address is confirmed.').waitFor();
  await mail.close();
  return code;
}

/**
 * Goes to a screen. Keys live in memory only, so a page that was loaded anew
 * may ask for the password first.
 */
export async function go(page: Page, path: string, email: string) {
  await page.goto(path);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  if (!page.url().includes('/sign-in')) return;
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname === path);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
}

/** Goes to a screen without loading the page anew: keys stay, and no sign-in is spent. */
export async function walk(page: Page, path: string) {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.locator('[role=status] .mantine-Loader-root').first().waitFor({ state: 'detached', timeout: 20_000 });
}
