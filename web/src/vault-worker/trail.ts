/**
 * Checks the server's log where it is read: own entries are in it, they are
 * what the list showed, and what the log was when last looked at is what it
 * begins with. The newest statement met is remembered on this device; it holds
 * no secret. So is the key that signed the first: whoever shows another log
 * later has to sign it with that one.
 */
import type { ListedEntry, TrailCheck, TrailStep, Verdict } from './api.ts';
import type { Http } from './http.ts';
import { continues, entryLeaf, type Hash, includes, same } from './merkle.ts';
import { keep, kept } from './shelf.ts';

interface Checkpoint { origin: string; size: number; root: Hash; signer: string; text: string }
interface Proof { entry: string; salt: string; leaf_index: number; tree_size: number; hashes: string[]; checkpoint: string }
interface Met { checkpoint: Checkpoint; at: string | null }

/** What this needs of the world. */
export interface TrailWorld { http: Pick<Http, 'json' | 'text'>; kept: typeof kept; keep: typeof keep; signed: (checkpoint: string, key: string) => boolean; now: () => string; chance: () => number }

/** Own entries that are proved when the whole log is checked: the newest, and some by lot. */
const NEWEST = 3;
const BY_LOT = 5;

const bytes = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const text64 = (hash: Hash) => btoa(String.fromCharCode(...hash));

/** The text of a signed note (C2SP tlog-checkpoint): origin, size, root, then who signed. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, root] = text.split('\n');
  const signer = /\n\n\u2014 (\S+) \S+\n/.exec(text)?.[1];
  if (!origin || !size || !root || !signer || !/^(0|[1-9]\d{0,14})$/.test(size) || !/^[A-Za-z0-9+/]{43}=$/.test(root)) return null;
  return { origin, size: Number(size), root: bytes(root), signer, text };
}

async function lastMet(world: TrailWorld): Promise<Met | null> {
  const text = await world.kept('trail');
  const at = await world.kept('trail at');
  const checkpoint = typeof text === 'string' ? parseCheckpoint(text) : null;
  return checkpoint ? { checkpoint, at: typeof at === 'string' ? at : null } : null;
}

// --- checks ------------------------------------------------------------------------

/** Whether `now` goes on from what was met before. */
async function consistent(world: TrailWorld, { checkpoint: before, at }: Met, now: Checkpoint): Promise<TrailStep> {
  const told = { what: 'consistency' as const, from: before.size, from_root: text64(before.root), met_at: at, to: now.size, to_root: text64(now.root) };
  if (before.size > now.size) return { ...told, hashes: 0, verdict: 'shorter' };
  if (before.size === now.size) return { ...told, hashes: 0, verdict: same(before.root, now.root) ? 'whole' : 'forked' };
  const answer = (await world.http.json('GET', `/api/audit/consistency?from=${before.size}&to=${now.size}`, undefined)) as { hashes: string[] };
  const ok = continues(before.size, before.root, now.size, now.root, answer.hashes.map(bytes));
  return { ...told, hashes: answer.hashes.length, verdict: ok ? 'whole' : 'forked' };
}

/** Whether the logged bytes say what the list said. */
function saysTheSame(logged: string, listed: ListedEntry): boolean {
  try {
    const entry = JSON.parse(logged) as { action?: unknown; at?: unknown; actor?: { kind?: unknown; id?: unknown } };
    return entry.action === listed.action && entry.at === listed.at && entry.actor?.kind === listed.actor.kind && (entry.actor.id ?? null) === (listed.actor.id ?? null);
  } catch {
    return false;
  }
}

async function included(world: TrailWorld, listed: ListedEntry): Promise<{ step: TrailStep; checkpoint: Checkpoint | null }> {
  const proof = (await world.http.json('GET', `/api/audit/${listed.id}/proof`, undefined)) as Proof;
  const checkpoint = parseCheckpoint(proof.checkpoint);
  const leaf = entryLeaf(bytes(proof.salt), proof.entry);
  const ok = checkpoint !== null && proof.leaf_index === listed.id && proof.tree_size === checkpoint.size
    && includes(leaf, listed.id, checkpoint.size, proof.hashes.map(bytes), checkpoint.root);
  const verdict: Verdict = !ok ? 'changed' : saysTheSame(proof.entry, listed) ? 'whole' : 'told';
  return {
    step: { what: 'entry', verdict, entry: listed.id, action: listed.action, at: listed.at, leaf: text64(leaf), hashes: proof.hashes.length, size: proof.tree_size },
    checkpoint,
  };
}

const WORST: Verdict[] = ['unreadable', 'forked', 'shorter', 'unsigned', 'changed', 'told', 'whole'];

/** The key that this log's statements are signed by, as this device first met it. */
async function keyOf(world: TrailWorld, origin: string): Promise<string> {
  const met = await world.kept(`trail key ${origin}`);
  return typeof met === 'string' ? met : (await world.http.text('/api/audit/checkpoint/key')).trim();
}

async function conclude(world: TrailWorld, now: Checkpoint | null, entries: TrailStep[]): Promise<TrailCheck> {
  const key = now ? await keyOf(world, now.origin) : '';
  const steps: TrailStep[] = [now
    ? { what: 'checkpoint', verdict: world.signed(now.text, key) ? 'whole' : 'unsigned', origin: now.origin, size: now.size, root: text64(now.root), signer: now.signer, key }
    : { what: 'checkpoint', verdict: 'unreadable', origin: '', size: 0, root: '', signer: '', key }];
  const before = now ? await lastMet(world) : null;
  if (now && before && before.checkpoint.origin === now.origin) steps.push(await consistent(world, before, now));
  steps.push(...entries);
  const verdict = WORST.find((one) => steps.some((step) => step.verdict === one)) ?? 'whole';
  // Never forget the state that convicts.
  if (now && verdict === 'whole') {
    await world.keep('trail', now.text);
    await world.keep(`trail key ${now.origin}`, key);
    await world.keep('trail at', world.now());
  }
  return { verdict, steps };
}

/** One entry, as a list showed it. */
export async function checkEntry(world: TrailWorld, listed: ListedEntry): Promise<TrailCheck> {
  const { step, checkpoint } = await included(world, listed);
  return conclude(world, checkpoint, [step]);
}

/** Some of one's own entries, and the whole log against what was last met. */
export async function checkTrail(world: TrailWorld): Promise<TrailCheck> {
  const page = (await world.http.json('GET', '/api/audit?limit=500', undefined)) as { items: ListedEntry[] };
  const older = page.items.slice(NEWEST);
  const chosen = page.items.slice(0, NEWEST);
  while (chosen.length < NEWEST + BY_LOT && older.length > 0) chosen.push(...older.splice(Math.floor(world.chance() * older.length), 1));
  // Asked for by itself and first: what proofs name afterwards goes on from it.
  const first = parseCheckpoint(await world.http.text('/api/audit/checkpoint'));
  const steps: TrailStep[] = [];
  const shown: Checkpoint[] = first ? [first] : [];
  for (const listed of chosen) {
    const { step, checkpoint } = await included(world, listed);
    steps.push(step);
    if (checkpoint && !shown.some((one) => one.size === checkpoint.size && same(one.root, checkpoint.root))) shown.push(checkpoint);
  }
  const newest = first && shown.reduce((one, other) => (other.size > one.size ? other : one), first);
  // All that was shown in one look must be one log.
  for (const one of shown) {
    if (!newest || one === newest) continue;
    const step = await consistent(world, { checkpoint: one, at: world.now() }, newest);
    if (step.verdict !== 'whole') steps.push(step);
  }
  return conclude(world, newest, steps);
}

/** This browser and this server. */
export const trailWorld = (http: Http, signed: TrailWorld['signed']): TrailWorld => ({ http, kept, keep, signed, now: () => new Date().toISOString(), chance: Math.random });
