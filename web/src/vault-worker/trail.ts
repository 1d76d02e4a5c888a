/**
 * Checks the server's log where it is read: own entries are in it, and what it
 * was when last looked at is what it begins with. The newest statement met is
 * remembered on this device; it holds no secret.
 */
import type { TrailCheck } from './api.ts';
import type { Http } from './http.ts';
import { continues, entryLeaf, type Hash, includes, same } from './merkle.ts';
import { keep, kept } from './shelf.ts';

interface Checkpoint { origin: string; size: number; root: Hash; text: string }
interface Proof { entry: string; salt: string; leaf_index: number; tree_size: number; hashes: string[]; checkpoint: string }
type Step = TrailCheck['steps'][number];

const bytes = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const short = (hash: Hash) => [...hash.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const tell = (one: Checkpoint) => `${one.origin} · ${one.size} · ${short(one.root)}…`;

/** The text of a signed note (C2SP tlog-checkpoint): origin, size, root. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, root] = text.split('\n');
  if (!origin || !size || !root || !/^(0|[1-9]\d{0,14})$/.test(size) || !/^[A-Za-z0-9+/]{43}=$/.test(root)) return null;
  return { origin, size: Number(size), root: bytes(root), text };
}

async function lastMet(): Promise<Checkpoint | null> {
  const text = await kept('trail');
  return typeof text === 'string' ? parseCheckpoint(text) : null;
}

// --- checks ------------------------------------------------------------------------

async function consistent(http: Http, before: Checkpoint, now: Checkpoint): Promise<Step> {
  const detail = `${before.size} → ${now.size}`;
  if (before.size > now.size) return { what: 'consistency', ok: false, detail };
  if (before.size === now.size) return { what: 'consistency', ok: same(before.root, now.root), detail };
  const answer = (await http.json('GET', `/api/audit/consistency?from=${before.size}&to=${now.size}`, undefined)) as { hashes: string[] };
  return { what: 'consistency', ok: continues(before.size, before.root, now.size, now.root, answer.hashes.map(bytes)), detail };
}

async function included(http: Http, entry: number): Promise<{ step: Step; checkpoint: Checkpoint | null }> {
  const proof = (await http.json('GET', `/api/audit/${entry}/proof`, undefined)) as Proof;
  const checkpoint = parseCheckpoint(proof.checkpoint);
  const leaf = entryLeaf(bytes(proof.salt), proof.entry);
  const ok = checkpoint !== null && proof.leaf_index === entry && proof.tree_size === checkpoint.size
    && includes(leaf, entry, checkpoint.size, proof.hashes.map(bytes), checkpoint.root);
  return { step: { what: 'inclusion', ok, detail: `#${entry} · ${short(leaf)}…` }, checkpoint };
}

async function against(http: Http, now: Checkpoint | null, steps: Step[]): Promise<TrailCheck> {
  if (now) {
    steps.unshift({ what: 'checkpoint', ok: true, detail: tell(now) });
    const before = await lastMet();
    if (before && before.origin === now.origin) steps.push(await consistent(http, before, now));
    const ok = steps.every((step) => step.ok);
    // Never forget the state that convicts.
    if (ok && (!before || before.origin !== now.origin || before.size <= now.size)) await keep('trail', now.text);
    return { ok, steps };
  }
  steps.unshift({ what: 'checkpoint', ok: false, detail: '' });
  return { ok: false, steps };
}

export async function checkEntry(http: Http, entry: number): Promise<TrailCheck> {
  const { step, checkpoint } = await included(http, entry);
  return against(http, checkpoint, [step]);
}

/** The newest of one's own entries, and the whole log against what was last met. */
export async function checkTrail(http: Http): Promise<TrailCheck> {
  const page = (await http.json('GET', '/api/audit?limit=5', undefined)) as { items: { id: number }[] };
  const steps: Step[] = [];
  let newest: Checkpoint | null = null;
  for (const { id } of page.items) {
    const { step, checkpoint } = await included(http, id);
    steps.push(step);
    if (checkpoint && (!newest || checkpoint.size >= newest.size)) newest = checkpoint;
  }
  return against(http, newest, steps);
}
