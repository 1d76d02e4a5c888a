/** How a chart stands: claimed or not, how long access lasts, how its synchronisation goes. By the clock of whoever looks. */
import { groupBy } from '../../lib/group.ts';
import type { Attachment, Chart, Connection } from '../../lib/practice.ts';

const DAY = 86_400_000;
/** As long before its end as the server warns of an unclaimed chart, in days. */
const WARN_DAYS = 14;
/** How long before its end access is worth a word, in days. */
const ENDS_SOON_DAYS = 30;

export type Claim =
  | { is: 'claimed' }
  | { is: 'waiting'; days: number; expires: string | null; soon: boolean; lapsed: boolean }
  /** They came by themselves: there was nothing to claim. */
  | { is: 'own' };
export type Access = { is: 'open' } | { is: 'until'; end: string; soon: boolean } | { is: 'ended' };
export type SyncState =
  | { is: 'none' }
  | { is: 'ok'; at: string }
  | { is: 'waiting' }
  | { is: 'paused' }
  | { is: 'trouble'; problem: string | null; name: string };

const before = (text: string | null | undefined, now: number, days: number) => text != null && new Date(text).getTime() - now < days * DAY;

export function claimOf(chart: Chart, now: number): Claim {
  if (chart.claimed) return { is: chart.user_id ? 'claimed' : 'own' };
  return {
    is: 'waiting',
    days: Math.max(0, Math.floor((now - new Date(chart.created_at).getTime()) / DAY)),
    expires: chart.expires_at ?? null,
    soon: before(chart.expires_at, now, WARN_DAYS),
    lapsed: before(chart.invited_until, now, 0),
  };
}

export function accessOf(chart: Chart, now: number): Access {
  if (!chart.claimed) return { is: 'open' };
  const end = chart.access_ends_at;
  if (!end || new Date(end).getTime() <= now) return { is: 'ended' };
  return { is: 'until', end, soon: before(end, now, ENDS_SOON_DAYS) };
}

/** The worst of what somebody is connected to. A connection that is paused or troubled is so for everybody on it. */
export function syncOf(attached: readonly Attachment[], connections: ReadonlyMap<string, Connection>): SyncState {
  if (attached.length === 0) return { is: 'none' };
  const states = attached.map((one) => {
    const connection = connections.get(one.connection_id);
    const whose = connection && connection.state !== 'ok' ? connection : one;
    return { state: whose.state, problem: whose.problem ?? null, name: connection?.name ?? '', at: one.last_run_at ?? null };
  });
  const trouble = states.find((one) => one.state === 'needs_attention');
  if (trouble) return { is: 'trouble', problem: trouble.problem, name: trouble.name };
  if (states.every((one) => one.state === 'paused')) return { is: 'paused' };
  const at = states.map((one) => one.at ?? '').sort().at(-1);
  return at ? { is: 'ok', at } : { is: 'waiting' };
}

/** A patient as the list has them, with what is searched and sorted by. */
export interface Case { chart: Chart; claim: Claim; access: Access; sync: SyncState; words: string }

const plain = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

export function cases(charts: readonly Chart[], attached: readonly Attachment[], connections: readonly Connection[], now: number): Case[] {
  const known = new Map(connections.map((one) => [one.id, one]));
  const of = groupBy(attached, (one) => one.patient_id);
  return charts.map((chart) => ({
    chart,
    claim: claimOf(chart, now),
    access: accessOf(chart, now),
    sync: syncOf(of.get(chart.id) ?? [], known),
    words: plain([chart.name, chart.email, chart.carepatron_patient_id, chart.date_of_birth].filter(Boolean).join(' ')),
  }));
}

export const VIEWS = ['all', 'unclaimed', 'ending', 'trouble'] as const;
export type View = (typeof VIEWS)[number];

export const fits: Record<View, (one: Case) => boolean> = {
  all: () => true,
  unclaimed: ({ claim }) => claim.is === 'waiting',
  ending: ({ access, claim }) => access.is === 'ended' || (access.is === 'until' && access.soon) || (claim.is === 'waiting' && claim.soon),
  trouble: ({ sync }) => sync.is === 'trouble',
};

export const ORDERS = ['name', 'newest', 'synced', 'ending'] as const;
export type Order = (typeof ORDERS)[number];

/** When something of a chart ends by itself, soonest first; the others after. */
const end = ({ claim, access }: Case) => (claim.is === 'waiting' ? claim.expires : access.is === 'until' ? access.end : null) ?? '9';
const synced = ({ sync }: Case) => (sync.is === 'ok' ? sync.at : '');

export function sorted(all: readonly Case[], order: Order, language: string): Case[] {
  const byName = new Intl.Collator(language);
  const name = (one: Case, other: Case) => byName.compare(one.chart.name, other.chart.name);
  const by: Record<Order, (one: Case, other: Case) => number> = {
    name,
    newest: (one, other) => other.chart.created_at.localeCompare(one.chart.created_at),
    synced: (one, other) => synced(other).localeCompare(synced(one)) || name(one, other),
    ending: (one, other) => end(one).localeCompare(end(other)) || name(one, other),
  };
  return [...all].sort(by[order]);
}

/** Those that hold every word, in any order. */
export function found(all: readonly Case[], view: View, text: string): Case[] {
  const words = plain(text).split(/\s+/).filter(Boolean);
  return all.filter((one) => fits[view](one) && words.every((word) => one.words.includes(word)));
}
