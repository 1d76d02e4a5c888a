import { expect, test } from 'vitest';
import type { LogLine } from '../../lib/practice.ts';
import { story } from './story.ts';

let next = 0;
const line = (step: string, part: Partial<LogLine> = {}): LogLine => {
  next += 1;
  return { id: String(next), patient_id: 'p', connection_id: 'c', action: 'push', timestamp: '2026-11-22T10:00:00Z', status: 'success', step, details: step, ...part };
};
const day = (timestamp: string) => timestamp.slice(0, 10);
const steps = (lines: LogLine[]) => story(lines, day).map((one) => `${one.line.step} ×${one.count}`);

test('documents that were sent one after the other are told together', () => {
  const lines = [line('push.done', { document_id: 'b' }), line('push.attempt', { document_id: 'b' }), line('push.done', { document_id: 'a' }), line('push.attempt', { document_id: 'a' }), line('pull.done', { sync_id: 's' })];
  expect(steps(lines)).toEqual(['push.done ×2', 'pull.done ×1']);
  expect(story(lines, day)[0]?.documents).toEqual(['b', 'a']);
});

test('what is still on its way is told, and what came of it takes its place', () => {
  expect(steps([line('push.attempt', { document_id: 'a' })])).toEqual(['push.attempt ×1']);
  expect(steps([line('push.retry', { document_id: 'a' }), line('push.attempt', { document_id: 'a' })])).toEqual(['push.retry ×1']);
  // Begun and over within one moment, told in either order.
  expect(steps([line('push.attempt', { document_id: 'a', timestamp: '2026-11-22T10:00:00.88Z' }), line('push.done', { document_id: 'a', timestamp: '2026-11-22T10:00:00.881Z' })])).toEqual(['push.done ×1']);
  expect(steps([line('push.attempt', { document_id: 'a', timestamp: '2026-11-22T11:00:00Z' }), line('push.retry', { document_id: 'a' })])).toEqual(['push.attempt ×1', 'push.retry ×1']);
  expect(steps([line('pull.done', { sync_id: 's' }), line('sync.queued', { sync_id: 's' })])).toEqual(['pull.done ×1']);
});

test('another day, another platform and another reason stay apart', () => {
  expect(steps([line('push.done', { document_id: 'a' }), line('push.done', { document_id: 'b', timestamp: '2026-11-21T10:00:00Z' })])).toEqual(['push.done ×1', 'push.done ×1']);
  expect(steps([line('push.done', { document_id: 'a' }), line('push.done', { document_id: 'b', connection_id: 'd' })])).toEqual(['push.done ×1', 'push.done ×1']);
  expect(steps([line('push.dead', { document_id: 'a', details: 'too large' }), line('push.dead', { document_id: 'b', details: 'refused' })])).toEqual(['push.dead ×1', 'push.dead ×1']);
});
