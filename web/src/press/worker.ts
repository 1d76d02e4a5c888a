/** The press in a worker, for one document: whoever asked for it ends it then, and its memory with it. */
import type { Job, Told } from './job.ts';
import address from './pkg/chartkey_press_bg.wasm?url';
import { print, type Store } from './press.ts';

/** Bytes of the press, uncompressed; written in when the app is built. */
declare const __PRESS_LEN__: number;

const FONTS: Record<string, string> = import.meta.glob('../../../crates/paper/pdf/fonts/*.ttf', { query: '?url', import: 'default', eager: true });

class Unfetched extends Error {}

async function fetched(url: string): Promise<Response> {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok || !response.body) throw new Unfetched();
  return response;
}

/** The same stream, which tells how many bytes went by; one that breaks off was not fetched. */
function counted(body: ReadableStream<Uint8Array>, went: (bytes: number) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let sum = 0;
  return new ReadableStream({
    async pull(to) {
      const { done, value } = await reader.read();
      if (done) return to.close();
      went((sum += value.byteLength));
      to.enqueue(value);
    },
    cancel: (why) => reader.cancel(why),
  });
}

const store: Store = {
  async press(came) {
    const { body } = await fetched(address);
    let whole = false;
    const stream = counted(body as ReadableStream<Uint8Array>, (bytes) => {
      whole = bytes >= __PRESS_LEN__;
      came(Math.min(1, bytes / __PRESS_LEN__));
    });
    try {
      return await WebAssembly.compileStreaming(new Response(stream, { headers: { 'content-type': 'application/wasm' } }));
    } catch (why) {
      throw whole ? why : new Unfetched();
    }
  },
  async font(name) {
    const [, url = ''] = Object.entries(FONTS).find(([path]) => path.endsWith(`/${name}`)) ?? [];
    const response = await fetched(url);
    return new Uint8Array(await response.arrayBuffer().catch(() => {
      throw new Unfetched();
    }));
  },
};

const tell = (told: Told, hand: Transferable[] = []) => postMessage(told, { transfer: hand });

onmessage = async (message: MessageEvent<Job>) => {
  try {
    const pdf = (await print(message.data, store, tell)).buffer as ArrayBuffer;
    tell({ stage: 'done', pdf }, [pdf]);
  } catch (why) {
    const { code } = why as { code?: unknown };
    tell({ stage: 'failed', code: why instanceof Unfetched ? 'press.unreachable' : typeof code === 'string' ? code : 'press.failed' });
  }
};
