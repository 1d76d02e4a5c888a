/**
 * Stands between browsers and the server. It keeps what they sent, whoever in
 * the browser sent it (Playwright does not see a shared worker's requests), and
 * forges the log where a test wants to see it noticed. With CHARTKEY_WEB=<folder>
 * it shows the app that was built there instead of the one in the binary, under
 * the binary's own policy, so that a change of a screen needs no new binary.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve } from 'node:path';

export type Forgery = 'none' | 'flip' | 'truncate' | 'fork';

/** Bytes that a checkpoint is told in: its second and third line. */
const NOTE = /^([^\n]+)\n(\d+)\n([A-Za-z0-9+/]{43}=)\n/;

/** The log's statement, and not the key that it is signed with. */
const isStatement = (path: string) => /^\/api\/audit\/checkpoint(\?|$)/.test(path);

const WEB = process.env.CHARTKEY_WEB ? resolve(process.env.CHARTKEY_WEB) : null;
const TYPES: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json' };

/** A file of the app in the folder, or its page under the policy that the server gave its own. */
async function ofFolder(folder: string, behind: string, path: string, takes: string): Promise<{ headers: Record<string, string>; body: string | Buffer } | null> {
  const [bare = '/'] = path.split('?');
  if (/^\/(assets\/[\w.-]+|favicon\.svg)$/.test(bare)) {
    const file = join(folder, bare);
    const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'";
    if (!existsSync(file)) return null;
    // Small as the server sends it, so that what a visit costs can be told.
    const small = /\bbr\b/.test(takes) && existsSync(`${file}.br`);
    const body = readFileSync(small ? `${file}.br` : file);
    const headers = {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': policy, 'cache-control': 'public, max-age=31536000, immutable', 'content-length': String(body.length),
      ...(small ? { 'content-encoding': 'br' } : {}),
    };
    return { headers, body };
  }
  if (/^\/(api|dev|shl|readyz|healthz|metrics|\.well-known)\b/.test(bare)) return null;
  const viewer = bare.startsWith('/records/shared/');
  const own = await fetch(`${behind}${viewer ? bare : '/'}`);
  const policy = own.headers.get('content-security-policy') ?? '';
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
  const body = readFileSync(join(folder, viewer ? 'viewer.html' : 'index.html'), 'utf8').replaceAll('__CSP_NONCE__', nonce);
  return { headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }, body };
}

export class Between {
  forgery: Forgery = 'none';
  /** Whether the server cannot be reached. */
  away = false;
  /** Method, address, headers and body of every request, as it left the browser. */
  readonly sent: string[] = [];
  /** The statement that truncation goes back to, and what was proved under it. */
  private early: string | null = null;
  private readonly proofs = new Map<string, string>();
  private keeping = false;

  private constructor(private readonly server: Server, readonly url: string) {}

  get text(): string {
    return this.sent.join('\n');
  }

  static async before(behind: string): Promise<Between> {
    const { hostname, port } = new URL(behind);
    let between: Between | null = null;
    const server = createServer((asked, answer) => {
      const path = asked.url ?? '/';
      if (between?.away && path.startsWith('/api/')) return void answer.destroy();
      const log = /^\/api\/audit/.test(path);
      const body: Buffer[] = [];
      asked.on('data', (part: Buffer) => body.push(part));
      asked.on('end', () => between?.sent.push(`${asked.method} ${path} ${JSON.stringify(asked.headers)} ${Buffer.concat(body).toString('latin1')}`));
      const pass = () => {
        const through = request({ hostname, port, method: asked.method, path, headers: log ? { ...asked.headers, 'accept-encoding': 'identity' } : asked.headers }, (told) => {
          if (!log) {
            answer.writeHead(told.statusCode ?? 502, told.headers);
            told.pipe(answer);
            return;
          }
          const parts: Buffer[] = [];
          told.on('data', (part: Buffer) => parts.push(part));
          told.on('end', () => {
            const body = between?.forge(path, Buffer.concat(parts).toString()) ?? '';
            const headers = { ...told.headers };
            delete headers['content-length'];
            answer.writeHead(told.statusCode ?? 502, headers).end(body);
          });
        });
        through.on('error', () => answer.destroy());
        answer.on('close', () => through.destroy());
        asked.pipe(through);
      };
      if (!WEB || asked.method !== 'GET') pass();
      else void ofFolder(WEB, behind, path, String(asked.headers['accept-encoding'] ?? '')).then((file) => (file ? answer.writeHead(200, file.headers).end(file.body) : pass()), () => answer.destroy());
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    between = new Between(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return between;
  }

  /** From now on what is shown is kept, to go back to. */
  remember() {
    this.keeping = true;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  private forge(path: string, told: string): string {
    if (this.keeping && this.forgery === 'none') {
      if (isStatement(path)) this.early ??= told;
      if (path.includes('/proof')) this.proofs.set(path, told);
    }
    if (this.forgery === 'flip' && path.includes('/proof')) {
      const proof = JSON.parse(told) as { entry: string };
      return JSON.stringify({ ...proof, entry: proof.entry.replace(/"action":"[a-z.]+"/, '"action":"record.read"').replace(/"at":"20/, '"at":"19') });
    }
    if (this.forgery === 'truncate') {
      if (isStatement(path)) return this.early ?? told;
      if (path.startsWith('/api/audit?')) return JSON.stringify({ items: [], next: null });
    }
    if (this.forgery === 'fork' && isStatement(path)) {
      return told.replace(NOTE, (_, origin: string, size: string, root: string) => `${origin}\n${size}\n${root.startsWith('A') ? 'B' : 'A'}${root.slice(1)}\n`);
    }
    return told;
  }
}
