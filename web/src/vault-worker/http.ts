/** Calls of the worker itself: tokens live here, are refreshed here, and are told to nobody but our own pages. */
import { VaultFailure } from './api.ts';

export const SEALED = 'application/vnd.chartkey.sealed+json';

interface Tokens { access: string; refresh: string; until: number }
export interface TokenAnswer { access_token: string; refresh_token: string; expires_in: number }

export class Http {
  private tokens: Tokens | null = null;
  private refreshing: Promise<void> | null = null;

  constructor(private readonly onEnded: () => void) {}

  take(answer: TokenAnswer) {
    this.tokens = { access: answer.access_token, refresh: answer.refresh_token, until: Date.now() + (answer.expires_in - 60) * 1000 };
  }

  forget() {
    this.tokens = null;
  }

  /** A token that still counts; refreshed once, however many ask at a time. */
  async token(): Promise<string | null> {
    if (this.tokens && Date.now() >= this.tokens.until) {
      this.refreshing ??= this.refresh().finally(() => {
        this.refreshing = null;
      });
      await this.refreshing;
    }
    return this.tokens?.access ?? null;
  }

  private async refresh() {
    const refresh_token = this.tokens?.refresh;
    try {
      this.take((await this.json('POST', '/api/auth/refresh', { refresh_token }, false)) as TokenAnswer);
    } catch (why) {
      // A server that is away ends no session; one that refuses does.
      if (why instanceof VaultFailure && why.failure.status === 401) {
        this.forget();
        this.onEnded();
      }
      throw why;
    }
  }

  /** Carries one request as the core or this file wrote it. */
  async raw(method: string, path: string, body: BodyInit | null, headers: Record<string, string>, signed = true): Promise<Response> {
    const all: Record<string, string> = { ...headers };
    if (signed) {
      const token = await this.token();
      if (token) all.authorization = `Bearer ${token}`;
    }
    try {
      return await fetch(path, { method, body, headers: all });
    } catch {
      throw new VaultFailure({ code: 'server.unreachable' });
    }
  }

  /** A public text. */
  async text(path: string): Promise<string> {
    const response = await this.raw('GET', path, null, { accept: 'text/plain' }, false);
    if (!response.ok) await answer(response);
    return response.text();
  }

  /** A stream that goes on until the signal ends it. */
  async stream(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const token = await this.token();
    return fetch(path, { headers: { ...headers, accept: 'text/event-stream', authorization: `Bearer ${token ?? ''}` }, signal, cache: 'no-store' });
  }

  async json(method: string, path: string, body: unknown, signed = true, type = 'application/json'): Promise<unknown> {
    const headers: Record<string, string> = { accept: `${type}, application/json` };
    if (body !== undefined) headers['content-type'] = type;
    const response = await this.raw(method, path, body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body), headers, signed);
    return answer(response);
  }
}

/** What a call answered, or its problem as a failure. */
export async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  let data: unknown = null;
  try {
    data = text === '' ? null : JSON.parse(text);
  } catch {
    data = null;
  }
  if (response.ok) return data;
  const problem = (typeof data === 'object' && data !== null ? data : {}) as { code?: string; detail?: string; errors?: { field: string; message: string }[] };
  throw new VaultFailure({ code: problem.code ?? 'server.failed', status: response.status, detail: problem.detail, errors: problem.errors, extra: problem as Record<string, unknown> });
}
