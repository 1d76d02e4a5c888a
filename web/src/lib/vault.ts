/** The main thread's end of the vault: asks the worker, and hears from it. */
import { type ChartApi, type Events, type Failure, type Method, type VaultApi, VaultFailure, type VisitApi } from '../vault-worker/api.ts';

type Waiting = { resolve: (value: unknown) => void; reject: (why: unknown) => void };

const waiting = new Map<number, Waiting>();
const listeners = new Set<(event: Events) => void>();
let next = 1;
let port: MessagePort | Worker | null = null;

type Answer = { id: number; value?: unknown; failure?: Failure } | Events;

function hear(message: MessageEvent<Answer>) {
  const data = message.data;
  if ('event' in data) {
    for (const listener of listeners) listener(data);
    return;
  }
  const one = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.failure) one?.reject(new VaultFailure(data.failure));
  else one?.resolve(data.value);
}

function gone() {
  for (const one of waiting.values()) one.reject(new VaultFailure({ code: 'vault.gone' }));
  waiting.clear();
}

/**
 * Tabs share one worker where the browser can, so that unlocking one unlocks
 * all. A link's reader has a worker of their own, which knows nothing else.
 */
function connect(): MessagePort | Worker {
  if (port) return port;
  if (location.pathname.startsWith('/records/shared/')) {
    const worker = new Worker(new URL('../vault-worker/visitor.ts', import.meta.url), { type: 'module', name: 'visitor' });
    worker.onerror = gone;
    worker.onmessage = hear;
    port = worker;
  } else if ('SharedWorker' in globalThis) {
    const shared = new SharedWorker(new URL('../vault-worker/shared.ts', import.meta.url), { type: 'module', name: 'vault' });
    shared.onerror = gone;
    shared.port.onmessage = hear;
    port = shared.port;
  } else {
    const worker = new Worker(new URL('../vault-worker/alone.ts', import.meta.url), { type: 'module', name: 'vault' });
    worker.onerror = gone;
    worker.onmessage = hear;
    port = worker;
  }
  return port;
}

function ask(method: Method, args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve, reject });
    connect().postMessage({ id, method, args });
  });
}

/** The vault, or on a link's page its reader. Every method answers with plain data or a `VaultFailure`. */
export const vault = new Proxy({} as VaultApi & ChartApi & Omit<VisitApi, 'accessToken'>, {
  get: (_, method) => (...args: unknown[]) => ask(method as Method, args),
});

export function onVault(listener: (event: Events) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
