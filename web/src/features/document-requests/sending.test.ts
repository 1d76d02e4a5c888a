import { expect, test, vi } from 'vitest';
import { Sendings } from './sending.ts';

const file = (name: string, size = 1) => ({ name, size }) as File;

test('files go one after the other, and one that failed is tried again when asked', async () => {
  const asked: string[] = [];
  const fails = new Set(['b']);
  const sendings = new Sendings(async (of, onPart) => {
    asked.push(of.name);
    onPart(0.5);
    if (fails.delete(of.name)) throw new Error('away');
    return { created: of.name === 'c' ? 0 : 1 };
  }, 100);
  const stages = () => sendings.list().map((one) => one.stage);
  sendings.add([file('a'), file('b'), file('c'), file('d', 101)]);
  await vi.waitFor(() => expect(stages()).toEqual(['sent', 'failed', 'known', 'failed']));
  const [, second] = sendings.list();
  sendings.retry(second?.id ?? 0);
  await vi.waitFor(() => expect(stages()).toEqual(['sent', 'sent', 'known', 'failed']));
  // What is too large never left.
  expect(asked).toEqual(['a', 'b', 'c', 'b']);
});
