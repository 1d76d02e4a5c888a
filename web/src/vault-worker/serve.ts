/** Answers what pages ask, and tells every page what changed. */
import { type Events, type Failure, type Method, VaultFailure } from './api.ts';

interface Question { id: number; method: Method; args: unknown[] }

const ports = new Set<MessagePort>();
/** What answers; one for all pages. */
type Answering = Partial<Record<Method, unknown>>;
let answering: Answering | null = null;

function tell(event: Events) {
  for (const port of ports) port.postMessage(event);
}

/** A failure as it crosses to the page; the core's own errors are its dotted words. */
function failureOf(why: unknown): Failure {
  if (why instanceof VaultFailure) return why.failure;
  if (typeof why === 'string' && why.startsWith('{')) {
    try {
      const told = JSON.parse(why) as Failure;
      if (typeof told.code === 'string') return told;
    } catch {
      // Not a failure of the core's form.
    }
  }
  return { code: 'vault.failed', detail: undefined };
}

export function attach(port: MessagePort, make: (tell: (event: Events) => void) => Answering) {
  ports.add(port);
  answering ??= make(tell);
  const own = answering;
  port.onmessage = async (message: MessageEvent<Question>) => {
    const { id, method, args } = message.data;
    try {
      const run = own[method] as ((...args: unknown[]) => Promise<unknown>) | undefined;
      if (!run) throw new VaultFailure({ code: 'vault.unknown' });
      port.postMessage({ id, value: await run.apply(own, args) });
    } catch (why) {
      port.postMessage({ id, failure: failureOf(why) });
    }
  };
}
