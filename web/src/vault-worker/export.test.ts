import { expect, test } from 'vitest';
import { leftOut } from './export.ts';

const entry = (id: string, attachment: object) => `{"fullUrl":"urn:uuid:${id}","resource":${JSON.stringify({ resourceType: 'DocumentReference', content: [{ attachment }] })}}`;
const file = (id: string) => ({ id, name: `${id}.pdf`, size: 9 });

test('files without data in the Bundle are told, in whatever order they stand', () => {
  const bundle = `{"resourceType":"Bundle","entry":[${entry('a', { title: 'large' })},${entry('b', { data: 'aGk=' })},${entry('c', { title: 'large' })}]}`;
  expect(leftOut(bundle, ['a', 'b', 'c', 'd'].map(file)).map((one) => one.id)).toEqual(['a', 'c', 'd']);
});

test('an empty record leaves out nothing', () => {
  expect(leftOut('{"resourceType":"Bundle","type":"collection"}', [])).toEqual([]);
});
