import { expect, test, vi } from 'vitest';
import { type NewChart, VaultFailure } from '../../vault-worker/api.ts';

vi.mock('../../lib/practice.ts', () => ({ listCharts: () => Promise.resolve([]) }));
vi.mock('../../lib/vault.ts', () => ({ vault: {}, onVault: () => () => undefined }));
const { Openings } = await import('./opening.ts');

const chart = (name: string) => ({ name, email: `${name}@example.org` }) as NewChart;

/** Charts that open as the test says, by name. */
function world(answers: Record<string, (() => string | Error)[]>) {
  const asked: string[] = [];
  const answer = (what: string, name: string) => {
    asked.push(`${what} ${name}`);
    const said = answers[name]?.shift()?.() ?? `chart of ${name}`;
    return said instanceof Error ? Promise.reject(said) : Promise.resolve({ patient: said });
  };
  const openings = new Openings({ find: ({ name }) => answer('find', name).then(({ patient }) => (patient.startsWith('chart of') ? null : patient)), open: ({ name }) => answer('open', name), finish: (_, { name }) => answer('finish', name).then(() => undefined) });
  const stages = () => openings.list().map((one) => one.stage);
  const rest = () => vi.waitFor(() => expect(openings.list().some((one) => one.stage === 'opening')).toBe(false));
  return { openings, asked, stages, rest };
}
const failure = (code: string, more: object = {}) => () => new VaultFailure({ code, ...more });

test('one row that is refused does not keep the others back, and is tried again', async () => {
  const { openings, stages, rest } = world({ bo: [failure('chart.odd', { status: 422 })] });
  openings.add(['ann', 'bo', 'cy'].map((name, at) => ({ row: at + 1, chart: chart(name) })));
  await vi.waitFor(() => expect(stages()).toEqual(['done', 'failed', 'done']));
  openings.retry();
  await rest();
  await vi.waitFor(() => expect(stages()).toEqual(['done', 'done', 'done']));
});

test('where the server is away the rest waits, and nobody is opened twice', async () => {
  const { openings, asked, stages } = world({ bo: [failure('server.unreachable')] });
  openings.add(['ann', 'bo', 'cy'].map((name, at) => ({ row: at + 1, chart: chart(name) })));
  await vi.waitFor(() => expect(openings.stopped()).toBe(true));
  expect(stages()).toEqual(['done', 'failed', 'waiting']);
  openings.retry();
  await vi.waitFor(() => expect(stages()).toEqual(['done', 'done', 'done']));
  expect(asked).toEqual(['open ann', 'open bo', 'find bo', 'open bo', 'open cy']);
});

test('a chart that was opened halfway is finished, not opened again', async () => {
  const { openings, asked, stages } = world({ ann: [failure('chart.unfinished', { extra: { patient: 'p1' } })] });
  openings.add([{ row: 1, chart: chart('ann') }]);
  await vi.waitFor(() => expect(stages()).toEqual(['failed']));
  expect(openings.list()[0]?.patient).toBe('p1');
  openings.retry();
  await vi.waitFor(() => expect(stages()).toEqual(['done']));
  expect(asked).toEqual(['open ann', 'finish ann']);
});

test('a chart that was opened unheard is found, and not opened a second time', async () => {
  const { openings, asked, stages } = world({ ann: [failure('server.unreachable'), () => 'p7'] });
  openings.add([{ row: 1, chart: chart('ann') }]);
  await vi.waitFor(() => expect(stages()).toEqual(['failed']));
  openings.retry();
  await vi.waitFor(() => expect(stages()).toEqual(['done']));
  expect(asked).toEqual(['open ann', 'find ann', 'finish ann']);
});
