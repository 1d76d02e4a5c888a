/**
 * What stands between the Rust core and the network: carries its requests, one
 * call at a time, and turns what it throws into a `VaultFailure` with whatever
 * the server said besides.
 */
import { VaultFailure } from './api.ts';
import type { Http } from './http.ts';

interface Problem { code?: string; detail?: string; errors?: { field: string; message: string }[] }
type Headers = [string, string][];

/** Turns what the core threw into a failure that says what the server said. */
export function failed(why: unknown, problem: Problem | null): VaultFailure {
  if (why instanceof VaultFailure) return why;
  const error = why as { code?: unknown; status?: unknown; message?: unknown };
  const code = typeof error?.code === 'string' && error.code !== '' ? error.code : 'vault.failed';
  const status = typeof error?.status === 'number' ? error.status : undefined;
  const detail = typeof error?.message === 'string' ? error.message : undefined;
  if (code === 'vault.unavailable' || code === 'server.unavailable') return new VaultFailure({ code: 'server.unreachable' });
  return new VaultFailure({ code, status, detail: problem?.detail ?? detail, errors: problem?.errors, extra: (problem ?? {}) as Record<string, unknown> });
}

/** Carries the core's requests, and keeps what a refusal said. */
export class Carrier {
  problem: Problem | null = null;
  /** A link that is being ended: links end at an address of their own, with the same statement. */
  ending: string | null = null;
  /** Told of the bytes of each request that was carried, while something large is on its way. */
  onSent: ((bytes: number) => void) | null = null;
  /** Told of each call before it is made, while somebody follows how far something is. */
  onCall: ((method: string, path: string) => void) | null = null;
  /** Hears how many pages of records came; set while somebody waits for all of them. */
  pages: ((count: number) => void) | null = null;
  private paged = 0;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly http: Http, private readonly signed: boolean) {}

  readonly carry = async (method: string, path: string, body: Uint8Array | null, headers: Headers) => {
    if (this.ending && method === 'PUT' && path === `/api/sharing/${this.ending}/revoke`) {
      const answer = await this.send('DELETE', `/api/records/share/${this.ending}`, body, headers);
      // It is answered with the share, where the core expects what a statement is answered with.
      return answer.status === 200 ? { status: 200, body: new TextEncoder().encode('{"grants_version":0,"leaf_index":0}') } : answer;
    }
    return this.send(method, path, body, headers);
  };

  private async send(method: string, path: string, body: Uint8Array | null, headers: Headers) {
    this.onCall?.(method, path);
    const response = await this.http.raw(method, path, body as BodyInit | null, Object.fromEntries(headers), this.signed);
    this.onSent?.(body?.byteLength ?? 0);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (this.pages && method === 'GET' && path.startsWith('/api/records?')) this.pages((this.paged += 1));
    if (!response.ok) {
      try {
        this.problem = JSON.parse(new TextDecoder().decode(bytes)) as Problem;
      } catch {
        this.problem = null;
      }
    }
    return { status: response.status, body: bytes };
  }

  /** Runs one call after all before it. */
  run<T>(call: () => Promise<T> | T): Promise<T> {
    const next = this.last.then(async () => {
      this.problem = null;
      this.paged = 0;
      try {
        return await call();
      } catch (why) {
        throw failed(why, this.problem);
      }
    });
    this.last = next.catch(() => undefined);
    return next;
  }
}

export const parse = <T>(text: string): T => JSON.parse(text) as T;
