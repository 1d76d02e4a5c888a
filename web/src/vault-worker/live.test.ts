import { expect, test } from 'vitest';
import { type Line, Lines, listen, wait } from './live.ts';

const one = (id: number, event = 'shares') => `event: ${event}\nid: ${id}\ndata: {"id":${id},"kind":"share.revoke"}\n\n`;

test('events are read in whatever pieces they come', () => {
  const text = `: quiet\n\n${one(1)}id: 2\r\nevent: grants\r\ndata: {\r\ndata: }\r\n\r\n${one(3, 'records')}`;
  const whole = new Lines().push(text);
  expect(whole.map((line) => [line.event, line.id])).toEqual([['shares', '1'], ['grants', '2'], ['records', '3']]);
  expect(whole[1]?.data).toBe('{\n}');
  for (let size = 1; size < 9; size += 1) {
    const lines = new Lines();
    const found: Line[] = [];
    for (let at = 0; at < text.length; at += size) found.push(...lines.push(text.slice(at, at + size)));
    expect(found).toEqual(whole);
  }
});

test('comments, empty events and unknown fields tell nothing', () => {
  expect(new Lines().push(':\n\nretry: 5\nnonsense\n\nevent: shares\n\n')).toEqual([]);
});

test('an event without an end is not waited for', () => {
  const lines = new Lines();
  expect(() => {
    for (let n = 0; n < 100; n += 1) lines.push(`data: ${'x'.repeat(1000)}\n`);
  }).toThrow();
});

test('waiting grows, and stays within its bounds', () => {
  expect(wait(0, 0)).toBe(500);
  expect(wait(0, 1)).toBe(1000);
  expect(wait(3, 1)).toBe(8000);
  expect(wait(50, 1)).toBe(30_000);
  expect(wait(50, 0)).toBe(15_000);
});

/** A server that answers in turn; its last answer ends the listening. */
async function hear(answers: ((last: string | null) => Response)[]) {
  const ending = new AbortController();
  const asked: (string | null)[] = [];
  const heard: string[] = [];
  const states: boolean[] = [];
  const waits: number[] = [];
  await listen({
    open: async (last) => {
      asked.push(last);
      const answer = answers.shift();
      if (!answer) {
        ending.abort();
        throw new Error('over');
      }
      return answer(last);
    },
    heard: (line) => heard.push(line.event),
    state: (on) => states.push(on),
    sleep: async (ms) => void waits.push(ms),
    chance: () => 1,
  }, ending.signal, 50);
  return { asked, heard, states, waits };
}
const stream = (text: string, status = 200, headers: Record<string, string> = {}) => () => new Response(status === 200 ? text : null, { status, headers });

test('a stream that ended goes on after the event that was heard last', async () => {
  const { asked, heard, states } = await hear([stream(one(7)), stream(one(8, 'grants'))]);
  expect(asked).toEqual([null, '7', '8']);
  expect(heard).toEqual(['shares', 'grants']);
  expect(states).toEqual([true, false, true, false]);
});

test('after a gap without an id, everything is looked at again', async () => {
  const { heard } = await hear([stream(':\n\n'), stream(':\n\n')]);
  expect(heard).toEqual(['reset']);
});

test('failures wait longer each time, and a server that says when is believed', async () => {
  const away = () => {
    throw new Error('away');
  };
  const { waits } = await hear([away, away, away, stream('', 429, { 'retry-after': '40' }), stream(one(1)), away]);
  expect(waits).toEqual([1000, 2000, 4000, 40_000, 1000, 2000]);
});

test('an ended session ends the listening', async () => {
  const { asked, waits } = await hear([stream('', 401), stream(one(1))]);
  expect(asked).toEqual([null]);
  expect(waits).toEqual([]);
});

test('a stream that falls silent is opened anew', async () => {
  const silent = () => new Response(new ReadableStream({ start: (to) => to.enqueue(new TextEncoder().encode(one(4))) }));
  const { asked } = await hear([silent]);
  expect(asked).toEqual([null, '4']);
});
