/**
 * Hears from the server that something changed: one stream of server-sent
 * events for however many tabs. Ids and words only; whoever hears asks again.
 * It knows neither keys nor screens.
 */

/** One event as it came (WHATWG HTML §9.2.6). */
export interface Line { event: string; id: string | null; data: string }

/** Longest event that is waited for, in characters; ours are short. */
const MAX_EVENT = 64 * 1024;
/** The server says something every 20 seconds; a stream that does not is dead. */
const SILENCE_MS = 50_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

/** Takes a stream's text in whatever pieces it comes. */
export class Lines {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id: string | null = null;

  push(text: string): Line[] {
    this.rest += text;
    const found: Line[] = [];
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.rest);
      // What ends in CR may go on with LF.
      if (!end || (end[0] === '\r' && end.index === this.rest.length - 1)) break;
      const line = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      if (line === '') this.finish(found);
      else this.take(line);
    }
    if (this.rest.length + this.data.reduce((sum, one) => sum + one.length, 0) > MAX_EVENT) throw new Error('an event without an end');
    return found;
  }

  private take(line: string) {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.id = value;
  }

  private finish(found: Line[]) {
    if (this.data.length > 0) found.push({ event: this.event || 'message', id: this.id, data: this.data.join('\n') });
    this.event = '';
    this.data = [];
  }
}

/** How long to wait before the next try, after so many in a row that failed; `chance` is from 0 to 1. */
export function wait(failures: number, chance: number): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10));
  return Math.round(longest * (0.5 + chance / 2));
}

export interface Listening {
  /** Opens the stream, after the event that was heard last. */
  open(last: string | null, signal: AbortSignal): Promise<Response>;
  heard(line: Line): void;
  /** Whether events arrive now. */
  state(on: boolean): void;
  /** Waits; ends early where the signal says so. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  chance(): number;
}

/** Ends a read that hears nothing for too long. */
async function read(reader: ReadableStreamDefaultReader<Uint8Array>, silence: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('silence')), silence);
  });
  try {
    return await Promise.race([reader.read(), silent]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Listens until the signal ends it or the session is over. Where the last
 * event's id is unknown after a gap, `reset` is heard: something may be missed.
 */
export async function listen(world: Listening, signal: AbortSignal, silence = SILENCE_MS): Promise<void> {
  let last: string | null = null;
  let gap = false;
  for (let failures = 0; !signal.aborted; failures += 1) {
    let pause = wait(failures, world.chance());
    try {
      const response = await world.open(last, signal);
      if (response.status === 401 || response.status === 403) {
        world.state(false);
        return;
      }
      if (response.status === 429) pause = Math.max(pause, Math.min(120, Number(response.headers.get('retry-after')) || 20) * 1000);
      if (!response.ok || !response.body) throw new Error('refused');
      const reader = response.body.getReader();
      const lines = new Lines();
      const decoder = new TextDecoder();
      world.state(true);
      if (gap && last === null) world.heard({ event: 'reset', id: null, data: '{}' });
      gap = true;
      try {
        for (;;) {
          const { done, value } = await read(reader, silence);
          if (done) break;
          // Whoever is heard is there: the next failure is the first again.
          failures = 0;
          pause = wait(0, world.chance());
          for (const line of lines.push(decoder.decode(value, { stream: true }))) {
            last = line.id ?? last;
            world.heard(line);
          }
        }
      } finally {
        void reader.cancel().catch(() => undefined);
      }
    } catch {
      // Away, refused, silent or malformed: all of them are tried again.
    }
    if (signal.aborted) break;
    world.state(false);
    await world.sleep(pause, signal);
  }
}

/** Waits by the clock, or until the signal ends it. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
