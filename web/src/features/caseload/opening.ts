/**
 * Charts on their way to be opened, one after the other. Kept beside the
 * screens, so that somebody may look around meanwhile: a closed tab is warned
 * of, and a row that failed stays at hand until it went well or was let go.
 */
import { useSyncExternalStore } from 'react';
import { listCharts } from '../../lib/practice.ts';
import { onVault, vault } from '../../lib/vault.ts';
import { type NewChart, VaultFailure } from '../../vault-worker/api.ts';

export interface Opening {
  id: number;
  /** Its line in the file. */
  row: number;
  chart: NewChart;
  stage: 'waiting' | 'opening' | 'done' | 'failed';
  /** The chart, once it is there, even where something of it is still missing. */
  patient: string | null;
  failure: unknown;
  /** Nobody heard whether it went well: it is looked for before it is opened again. */
  unsure: boolean;
}

export interface Way {
  /** A chart of the same person that is there already. */
  find(chart: NewChart): Promise<string | null>;
  open(chart: NewChart): Promise<{ patient: string }>;
  /** Does what is missing of a chart that was opened. */
  finish(patient: string, chart: NewChart): Promise<void>;
}

/** Failures that the next one would meet as well: better to wait for whoever looks. */
const STOPS = new Set(['server.unreachable', 'vault.locked', 'vault.gone', 'session.missing', 'chart.too_many', 'provider.unverified']);

const isUnfinished = (failure: unknown): failure is VaultFailure => failure instanceof VaultFailure && failure.code === 'chart.unfinished';
const isUnheard = (failure: unknown) => failure instanceof VaultFailure && (failure.code === 'server.unreachable' || failure.code === 'vault.gone' || (failure.failure.status ?? 0) >= 500);
const stops = (failure: unknown) => failure instanceof VaultFailure && (STOPS.has(failure.code) || failure.failure.status === 429 || failure.failure.status === 403);

export class Openings {
  private all: readonly Opening[] = [];
  private running = false;
  private next = 1;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly way: Way) {}

  readonly list = () => this.all;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  add(rows: { row: number; chart: NewChart }[]) {
    this.keep([...this.all, ...rows.map((one): Opening => ({ id: this.next++, ...one, stage: 'waiting', patient: null, failure: null, unsure: false }))]);
    void this.run();
  }

  /** Tries those again that failed, and goes on with those that wait. */
  retry() {
    this.keep(this.all.map((one) => (one.stage === 'failed' ? { ...one, stage: 'waiting', failure: null } : one)));
    void this.run();
  }

  clear() {
    this.keep(this.running ? this.all.filter((one) => one.stage === 'opening') : []);
  }

  private async run() {
    if (this.running) return;
    this.running = true;
    for (;;) {
      const one = this.all.find(({ stage }) => stage === 'waiting');
      if (!one) break;
      this.change(one.id, { stage: 'opening' });
      try {
        let patient = one.patient ?? (one.unsure ? await this.way.find(one.chart) : null);
        if (patient) await this.way.finish(patient, one.chart);
        else ({ patient } = await this.way.open(one.chart));
        this.change(one.id, { stage: 'done', patient });
      } catch (failure) {
        const patient = isUnfinished(failure) ? String(failure.failure.extra?.patient ?? '') || null : one.patient;
        this.change(one.id, { stage: 'failed', failure: failure ?? new Error('no reason given'), patient, unsure: one.unsure || isUnheard(failure) });
        if (stops(failure)) break;
      }
    }
    this.running = false;
    this.keep(this.all);
  }

  /** Whether it stopped with some still waiting. */
  readonly stopped = () => !this.running && this.all.some((one) => one.stage === 'waiting');

  private change(id: number, part: Partial<Opening>) {
    this.keep(this.all.map((one) => (one.id === id ? { ...one, ...part } : one)));
  }

  private keep(all: readonly Opening[]) {
    this.all = [...all];
    for (const listener of this.listeners) listener();
  }
}

const same = (one: string | null | undefined, other: string | null | undefined) => Boolean(one) && one?.toLowerCase() === other?.toLowerCase();

export const openings = new Openings({
  async find(chart) {
    const there = await listCharts();
    return there.find((one) => !one.claimed && one.name === chart.name && same(one.email, chart.email))?.id ?? null;
  },
  open: (chart) => vault.createChart(chart),
  finish: (patient, chart) => vault.finishChart(patient, chart),
});

onVault((event) => {
  // Somebody else may sit here next; whose session was ended from elsewhere comes back to theirs.
  if (event.event === 'state' && event.state.state === 'out' && event.state.ended !== 'elsewhere') openings.clear();
});

const warn = (event: BeforeUnloadEvent) => event.preventDefault();
openings.subscribe(() => {
  if (openings.list().some((one) => one.stage !== 'done')) addEventListener('beforeunload', warn);
  else removeEventListener('beforeunload', warn);
});

export const useOpenings = () => useSyncExternalStore(openings.subscribe, openings.list);
