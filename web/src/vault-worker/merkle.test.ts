import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { continues, type Hash, includes, leafHash } from './merkle.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const node = (l: Hash, r: Hash) => sha256(Uint8Array.from([1, ...l, ...r]));
const leaves = Array.from({ length: 33 }, (_, n) => leafHash(bytes(`entry ${n}`)));
const split = (size: number) => 2 ** Math.floor(Math.log2(size - 1));

/** The definitions of RFC 9162 §2.1, as they stand there. */
function root(of: Hash[]): Hash {
  const [only] = of;
  if (of.length === 1 && only) return only;
  const k = split(of.length);
  return node(root(of.slice(0, k)), root(of.slice(k)));
}
function path(m: number, of: Hash[]): Hash[] {
  if (of.length === 1) return [];
  const k = split(of.length);
  return m < k ? [...path(m, of.slice(0, k)), root(of.slice(k))] : [...path(m - k, of.slice(k)), root(of.slice(0, k))];
}
function subproof(m: number, of: Hash[], whole: boolean): Hash[] {
  if (m === of.length) return whole ? [] : [root(of)];
  const k = split(of.length);
  return m <= k ? [...subproof(m, of.slice(0, k), whole), root(of.slice(k))] : [...subproof(m - k, of.slice(k), false), root(of.slice(0, k))];
}
const flip = (hash: Hash) => Uint8Array.from(hash, (byte, at) => (at === 5 ? byte ^ 1 : byte));

test('every entry of every size is found in its log, and nowhere else', () => {
  for (let size = 1; size <= leaves.length; size += 1) {
    const log = leaves.slice(0, size);
    const whole = root(log);
    log.forEach((leaf, index) => {
      const proof = path(index, log);
      expect(includes(leaf, index, size, proof, whole)).toBe(true);
      expect(includes(flip(leaf), index, size, proof, whole)).toBe(false);
      expect(includes(leaf, index, size, proof, flip(whole))).toBe(false);
      if (size > 1) expect(includes(leaf, (index + 1) % size, size, proof, whole)).toBe(false);
      expect(includes(leaf, index, size, [...proof, leaf], whole)).toBe(false);
    });
  }
});

test('every log continues every one before it, and a rewritten one does not', () => {
  for (let to = 1; to <= leaves.length; to += 1) {
    for (let from = 1; from <= to; from += 1) {
      const before = root(leaves.slice(0, from));
      const after = root(leaves.slice(0, to));
      const proof = from === to ? [] : subproof(from, leaves.slice(0, to), true);
      expect(continues(from, before, to, after, proof)).toBe(true);
      expect(continues(from, flip(before), to, after, proof)).toBe(false);
      const forked = root(leaves.slice(0, to).map((leaf, at) => (at === 0 ? flip(leaf) : leaf)));
      expect(continues(from, before, to, forked, proof)).toBe(false);
    }
  }
});

test('a log that became shorter continues nothing', () => {
  expect(continues(5, root(leaves.slice(0, 5)), 4, root(leaves.slice(0, 4)), [])).toBe(false);
});
