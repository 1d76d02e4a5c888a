/** What comes from elsewhere is read no further than it may be long. */
import { VaultFailure } from '../vault-worker/api.ts';

/** The whole of a stream as text, of at most so many bytes. */
export async function decode(reader: ReadableStreamDefaultReader<Uint8Array>, most: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let seen = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    seen += value.byteLength;
    if (seen > most) {
      await reader.cancel();
      throw new VaultFailure({ code: 'shl.too_large' });
    }
    text += decoder.decode(value, { stream: true });
  }
}
