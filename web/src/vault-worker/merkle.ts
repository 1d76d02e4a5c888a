/**
 * Proofs of the log (RFC 6962 hashing, RFC 9162 §2.1.3.2 and §2.1.4.2), checked
 * where they are read. Works without a secure context, so not with WebCrypto.
 */
import { sha256 } from '@noble/hashes/sha2.js';

export type Hash = Uint8Array;

const join = (...parts: Uint8Array[]) => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

export const leafHash = (content: Uint8Array): Hash => sha256(join(Uint8Array.of(0), content));
const node = (left: Hash, right: Hash): Hash => sha256(join(Uint8Array.of(1), left, right));

/** The leaf of an entry: its content is SHA-256(salt ‖ entry). */
export const entryLeaf = (salt: Uint8Array, entry: string): Hash => leafHash(sha256(join(salt, new TextEncoder().encode(entry))));

export const same = (one: Uint8Array, other: Uint8Array) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/** Sizes stay far below 2^53; halving them keeps them exact where shifts would not. */
const half = (value: number) => Math.floor(value / 2);

export function includes(leaf: Hash, index: number, size: number, path: Hash[], root: Hash): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const step of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = node(step, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      hash = node(hash, step);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && same(hash, root);
}

export function continues(from: number, fromRoot: Hash, to: number, toRoot: Hash, proof: Hash[]): boolean {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to) return false;
  if (from === to) return proof.length === 0 && same(fromRoot, toRoot);
  if (from === 0) return proof.length === 0;
  const isPower = Number.isInteger(Math.log2(from));
  const path = isPower ? [fromRoot, ...proof] : proof;
  const [first, ...rest] = path;
  if (!first) return false;
  let fn = from - 1;
  let sn = to - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  let fr = first;
  let sr = first;
  for (const step of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = node(step, fr);
      sr = node(step, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = node(sr, step);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && same(fr, fromRoot) && same(sr, toRoot);
}
