import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import type { ListedEntry } from './api.ts';
import { entryLeaf, type Hash } from './merkle.ts';
import { checkEntry, checkTrail, parseCheckpoint, type TrailWorld } from './trail.ts';

// A log that is right by definition (RFC 6962 §2.1), and servers that show it or something else.

const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const node = (left: Hash, right: Hash) => sha256(join(Uint8Array.of(1), left, right));
const split = (size: number) => 2 ** Math.ceil(Math.log2(size) - 1);
function root(leaves: Hash[]): Hash {
  const [first] = leaves;
  if (!first) return sha256(new Uint8Array());
  if (leaves.length === 1) return first;
  const at = split(leaves.length);
  return node(root(leaves.slice(0, at)), root(leaves.slice(at)));
}
function path(index: number, leaves: Hash[]): Hash[] {
  if (leaves.length <= 1) return [];
  const at = split(leaves.length);
  return index < at ? [...path(index, leaves.slice(0, at)), root(leaves.slice(at))] : [...path(index - at, leaves.slice(at)), root(leaves.slice(0, at))];
}
function consistency(from: number, leaves: Hash[], whole = true): Hash[] {
  if (from === leaves.length) return whole ? [] : [root(leaves)];
  const at = split(leaves.length);
  return from <= at ? [...consistency(from, leaves.slice(0, at), whole), root(leaves.slice(at))]
    : [...consistency(from - at, leaves.slice(at), false), root(leaves.slice(0, at))];
}
const base64 = (hash: Uint8Array) => Buffer.from(hash).toString('base64');
const salt = new Uint8Array(32).fill(7);

const entryOf = (id: number, action = 'record.read') => ({ v: 1, action, at: `2026-01-${String((id % 27) + 1).padStart(2, '0')}T10:00:00.000Z`, actor: { kind: 'account', id: `account-${id}` } });

class Log {
  constructor(readonly entries: string[], readonly key = 'log.example/trail+00000000+AAAA') {}
  static of(size: number) {
    return new Log(Array.from({ length: size }, (_, id) => JSON.stringify(entryOf(id))));
  }
  get leaves() {
    return this.entries.map((entry) => entryLeaf(salt, entry));
  }
  get note() {
    return `log.example/trail\n${this.entries.length}\n${base64(root(this.leaves))}\n\n\u2014 log.example/trail AAAA\n`;
  }
}

/** What was met before stays between servers, as on one device. */
function device() {
  const shelf = new Map<string, unknown>();
  /** `shown` answers lists, proofs and statements; `stored` holds the text of entries. */
  const visit = (shown: Log, stored: Log = shown, listed = (id: number): ListedEntry => ({ id, ...(JSON.parse(stored.entries[id] ?? '{}') as ReturnType<typeof entryOf>) })): TrailWorld => ({
    kept: async (name) => shelf.get(name),
    keep: async (name, value) => void shelf.set(name, value),
    signed: (_, key) => key === shown.key,
    now: () => '2026-02-01T00:00:00Z',
    chance: () => 0.5,
    http: {
      text: async (address) => (address === '/api/audit/checkpoint/key' ? `${shown.key}\n` : shown.note),
      json: async (_, address) => {
        const url = new URL(address, 'http://x');
        if (url.pathname === '/api/audit') return { items: stored.entries.map((__, id) => listed(id)).reverse() };
        if (url.pathname === '/api/audit/consistency') return { hashes: consistency(Number(url.searchParams.get('from')), shown.leaves.slice(0, Number(url.searchParams.get('to')))).map(base64) };
        const id = Number(url.pathname.split('/')[3]);
        return { entry: stored.entries[id], salt: base64(salt), leaf_index: id, tree_size: shown.entries.length, hashes: path(id, shown.leaves).map(base64), checkpoint: shown.note };
      },
    },
  });
  return { shelf, visit };
}

test('a log that grows is whole, and what was compared is told', async () => {
  const { shelf, visit } = device();
  const first = await checkTrail(visit(Log.of(11)));
  expect(first.verdict).toBe('whole');
  expect(first.steps.map((step) => step.what)).toEqual(['checkpoint', ...Array<string>(8).fill('entry')]);
  expect(shelf.get('trail')).toBe(Log.of(11).note);
  const second = await checkTrail(visit(Log.of(19)));
  expect(second.verdict).toBe('whole');
  expect(second.steps[1]).toMatchObject({ what: 'consistency', from: 11, to: 19, met_at: '2026-02-01T00:00:00Z', verdict: 'whole' });
});

test('every entry of every small log is proved, whoever grew it', async () => {
  for (let size = 1; size <= 20; size += 1) {
    const { visit } = device();
    const log = Log.of(size);
    for (let id = 0; id < size; id += 1) expect((await checkEntry(visit(log), { id, ...entryOf(id) })).verdict).toBe('whole');
  }
});

test('a row that was flipped is named', async () => {
  const log = Log.of(9);
  const stored = new Log(log.entries.map((entry, id) => (id === 8 ? entry.replace('record.read', 'record.move') : entry)));
  const check = await checkTrail(device().visit(log, stored));
  expect(check.verdict).toBe('changed');
  expect(check.steps.filter((step) => step.verdict !== 'whole')).toMatchObject([{ what: 'entry', entry: 8, verdict: 'changed' }]);
});

test('a log that was cut off is named, and what was met stays known', async () => {
  const { shelf, visit } = device();
  await checkTrail(visit(Log.of(13)));
  expect((await checkTrail(visit(Log.of(9)))).verdict).toBe('shorter');
  expect(shelf.get('trail')).toBe(Log.of(13).note);
  expect((await checkTrail(visit(Log.of(13)))).verdict).toBe('whole');
});

test('a log that was forked is named, at the same size and grown', async () => {
  const other = (size: number) => new Log(Log.of(size).entries.map((entry, id) => (id === 4 ? entry.replace('account-4', 'account-x') : entry)));
  for (const size of [13, 17]) {
    const { shelf, visit } = device();
    await checkTrail(visit(Log.of(13)));
    expect((await checkTrail(visit(other(size)))).verdict).toBe('forked');
    expect(shelf.get('trail')).toBe(Log.of(13).note);
  }
});

test('two logs within one look are a fork, though nothing was met before', async () => {
  const { shelf, visit } = device();
  const honest = visit(Log.of(8));
  const world: TrailWorld = { ...honest, http: { ...honest.http, text: async () => new Log(Log.of(7).entries.map((entry) => entry.replace('read', 'list'))).note } };
  expect((await checkTrail(world)).verdict).toBe('forked');
  expect(shelf.has('trail')).toBe(false);
});

test('a list that says something else than the log is named', async () => {
  const log = Log.of(6);
  const check = await checkTrail(device().visit(log, log, (id) => ({ id, ...entryOf(id, id === 5 ? 'record.list' : 'record.read') })));
  expect(check.verdict).toBe('told');
});

test('a statement that is none is unreadable', async () => {
  for (const text of ['', 'x', 'log\n-1\nAAAA', `log\n1\n${'A'.repeat(43)}=\n`, `log\n01\n${'A'.repeat(43)}=\n\n\u2014 log AAAA\n`]) expect(parseCheckpoint(text)).toBeNull();
  const { visit } = device();
  const world = visit(Log.of(3));
  expect((await checkTrail({ ...world, http: { ...world.http, text: async () => 'nothing' } })).verdict).toBe('unreadable');
});

test('a log under another key than the first is told, even where its entries fit', async () => {
  const { visit } = device();
  expect((await checkTrail(visit(Log.of(11)))).verdict).toBe('whole');
  const other = new Log(Log.of(13).entries, 'log.example/trail+11111111+BBBB');
  const check = await checkTrail(visit(other));
  expect(check.verdict).toBe('unsigned');
  // The first key stays the one that counts.
  expect((await checkTrail(visit(other))).verdict).toBe('unsigned');
  expect((await checkTrail(visit(Log.of(13)))).verdict).toBe('whole');
});
