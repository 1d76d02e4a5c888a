import { expect, test, vi } from 'vitest';
import type { ImportReport } from '../vault-worker/api.ts';

vi.mock('./vault.ts', () => ({ vault: {}, onVault: () => () => undefined }));
const { isAtRisk, Uploads } = await import('./uploads.ts');

const report = { created: 1 } as ImportReport;
const file = (name: string) => ({ name, size: 1 }) as File;

/** Uploads whose carrying is settled by the test, one after the other. */
function world() {
  const waiting: { name: string; whole: boolean; done: (report: ImportReport) => void; fail: (why: unknown) => void }[] = [];
  const uploads = new Uploads((upload) => new Promise((done, fail) => waiting.push({ name: upload.file.name, whole: upload.whole, done, fail })));
  const stages = () => uploads.list().map((one) => (one.failure ? 'failed' : one.stage));
  const until = (look: () => boolean) => vi.waitFor(() => expect(look()).toBe(true));
  return { uploads, waiting, stages, until };
}

test('several files go in one after the other, in the order in which they came', async () => {
  const { uploads, waiting, stages, until } = world();
  uploads.add('p', [file('a'), file('b')]);
  expect(stages()).toEqual(['reading', 'waiting']);
  waiting[0]?.done(report);
  await until(() => waiting.length === 2);
  expect([waiting[1]?.name, ...stages()]).toEqual(['b', 'done', 'reading']);
});

test('a failed one stays and is tried again, and the others go on', async () => {
  const { uploads, waiting, stages, until } = world();
  uploads.add('p', [file('a'), file('b')]);
  waiting[0]?.fail(new Error('away'));
  await until(() => waiting.length === 2);
  waiting[1]?.done(report);
  await until(() => stages()[1] === 'done');
  expect(stages()).toEqual(['failed', 'done']);
  expect(uploads.list().some(isAtRisk)).toBe(true);
  uploads.retry(uploads.list()[0]?.id ?? '', true);
  await until(() => waiting.length === 3);
  expect(waiting[2]).toMatchObject({ name: 'a', whole: true });
  waiting[2]?.done(report);
  await until(() => stages()[0] === 'done');
  expect(uploads.list().some(isAtRisk)).toBe(false);
});

test('only what is not on its way can be let go', async () => {
  const { uploads, waiting, until } = world();
  uploads.add('p', [file('a'), file('b')]);
  for (const one of uploads.list()) uploads.remove(one.id);
  expect(uploads.list().map((one) => one.file.name)).toEqual(['a']);
  waiting[0]?.done(report);
  await until(() => uploads.list()[0]?.stage === 'done');
  uploads.clearDone();
  expect(uploads.list()).toEqual([]);
});
