import { expect, test } from 'vitest';
import { en } from './en/index.ts';
import { es } from './es/index.ts';

type Tree = { [key: string]: string | Tree };

/** Every text with its place. */
function texts(tree: Tree, at = ''): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]): [string, string][] => (typeof value === 'string' ? [[`${at}${key}`, value]] : texts(value, `${at}${key}.`)));
}
const slots = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((found) => found[1]).sort();

test('a translation has the same keys, and says nothing empty', () => {
  const own = texts(en).map(([at]) => at).sort();
  const theirs = texts(es);
  expect(theirs.map(([at]) => at).sort()).toEqual(own);
  for (const [at, text] of [...texts(en), ...theirs]) expect(text.trim(), at).not.toBe('');
});

test('a translation fills in what the original does', () => {
  const told = new Map(texts(es));
  // "One" may be said without its number.
  for (const [at, text] of texts(en)) {
    const wanted = slots(text).filter((slot) => !at.endsWith('_one') || slot !== 'count');
    const given = slots(told.get(at) ?? '').filter((slot) => !at.endsWith('_one') || slot !== 'count');
    expect(given, at).toEqual(wanted);
  }
});
