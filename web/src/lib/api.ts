/** Calls that carry nothing sealed. The only fetch outside the vault's worker. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { paths } from '../api.gen/schema.ts';
import { type Failure, VaultFailure } from '../vault-worker/api.ts';
import { vault } from './vault.ts';

const signed: Middleware = {
  async onRequest({ request, schemaPath }) {
    if (schemaPath.startsWith('/api/records/shared') || schemaPath === '/api/auth/verify-email') return request;
    const token = await vault.accessToken();
    if (token) request.headers.set('authorization', `Bearer ${token}`);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: '', headers: { accept: 'application/json' } });
api.use(signed);

/** What a call answered, or its problem as a failure. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let done;
  try {
    done = await call;
  } catch (why) {
    if (why instanceof VaultFailure) throw why;
    throw new VaultFailure({ code: 'server.unreachable' });
  }
  if (done.response.ok) return done.data as T;
  const problem = (typeof done.error === 'object' && done.error !== null ? done.error : {}) as Partial<Failure>;
  throw new VaultFailure({ ...problem, code: problem.code ?? 'server.failed', status: done.response.status });
}

function failureOf(status: number, data: unknown): VaultFailure {
  const problem = (typeof data === 'object' && data !== null ? data : {}) as Partial<Failure> & Record<string, unknown>;
  return new VaultFailure({ ...problem, code: problem.code ?? 'server.failed', status, extra: problem });
}

function told(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

/** Sends a form of whoever has no account; `onPart` hears how much of it left, from 0 to 1. */
export function sendForm<T>(path: string, form: FormData, onPart: (part: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    // `fetch` does not say how far it is.
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = ({ loaded, total }) => onPart(total ? loaded / total : 0);
    request.onload = () => {
      const data = told(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(data as T);
      else reject(failureOf(request.status, data));
    };
    request.onerror = () => reject(new VaultFailure({ code: 'server.unreachable' }));
    request.send(form);
  });
}

/** A call whose answer the generated types do not describe yet; the caller says what it expects. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return ask(method, path, body, await vault.accessToken());
}

/** The same of whoever has no account. */
export const callOpenly = <T>(method: string, path: string): Promise<T> => ask(method, path, undefined, null);

async function ask<T>(method: string, path: string, body: unknown, token: string | null): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new VaultFailure({ code: 'server.unreachable' });
  }
  const data = told(await response.text());
  if (response.ok) return data as T;
  throw failureOf(response.status, data);
}
