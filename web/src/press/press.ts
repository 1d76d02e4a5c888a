/**
 * Sets one document as a PDF, with the code and the templates that the server has.
 * The press and the fonts that a document asks for are fetched by name from our
 * own assets, as everybody fetches them; nothing of the document goes anywhere.
 */
import init, { Press } from './pkg/chartkey_press.js';
import type { Job, Progress } from './job.ts';

/** Where things are, and how they are fetched: a part at a time, so that somebody can be told. */
export interface Store {
  press(came: (share: number) => void): Promise<WebAssembly.Module>;
  font(name: string): Promise<Uint8Array>;
}

export async function print(job: Job, store: Store, told: (at: Progress) => void): Promise<Uint8Array> {
  told({ stage: 'fetching', share: 0 });
  const module = await store.press((share) => told({ stage: 'fetching', share }));
  await init({ module_or_path: module });
  const press = new Press();
  if ('kit' in job) press.layKit(JSON.stringify(job.kit));
  else press.layDocument(JSON.stringify(job.document), JSON.stringify(job.notice));
  await Promise.all(press.needed().map(async (name) => press.bring(name, await store.font(name))));
  told({ stage: 'setting' });
  return press.set();
}
