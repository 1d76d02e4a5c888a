/**
 * Charts and claims, destinations, and new keys: what the vault seals for them,
 * in which order, and what is told of it meanwhile.
 */
import { type Account, type ChartApi, type ChartText, type ChartTexts, type ClaimStage, type Events, type NewChart, VaultFailure } from './api.ts';
import type { Core } from './core.ts';
import type { Http } from './http.ts';

const TEXTS: readonly ChartText[] = ['medical_history', 'dietary_preferences'];
/** Portions of what is owed that one asking seals at most. */
const PORTIONS = 4;

interface Items<T> { items: T[]; next: string | null }
interface Permission { patient_id: string; expiry_date: string; ended_at?: string | null }
interface Chart { id: string; user_id: string | null; claimed: boolean }

/** What this needs of the vault around it. */
export interface ChartWorld {
  http: Pick<Http, 'json'>;
  open(): Core;
  account(): Account | null;
  tell(event: Events): void;
  /** What was listed of a patient is of before. */
  changed(patient: string): void;
  choose(patient: string): Promise<void>;
  /** Signs in anew, by which the password is shown to be right. */
  unlock(password: string): Promise<unknown>;
  /** Ways in and out that end sessions themselves. */
  move<T>(way: () => Promise<T>): Promise<T>;
}

type Methods = Omit<ChartApi, 'choosePatient'>;

export function chartMethods(world: ChartWorld): Methods {
  const name = () => world.account()?.name ?? '';

  async function finishChart(patient: string, chart: NewChart) {
    await world.open().keepAccess(patient, chart, name());
    for (const which of TEXTS) {
      const text = chart[which]?.trim();
      if (text) await world.open().putChartText(patient, which, text, name());
    }
    world.changed(patient);
  }

  async function sealOwed(patient: string) {
    let sealed = 0;
    for (let portion = 0; portion < PORTIONS; portion += 1) {
      const done = await world.open().sealOwed(patient);
      sealed += done.sealed;
      if (!done.more) return { sealed, more: false };
    }
    return { sealed, more: true };
  }

  /** Takes a chart over, and shows it from then on. */
  async function take(patient: string, told: string, claim: Parameters<Core['takeOver']>[0]) {
    const stage = (at: ClaimStage) => world.tell({ event: 'claim', claim: told, stage: at });
    await world.open().takeOver(claim, stage);
    await world.choose(patient);
    world.changed(patient);
    stage('done');
  }

  return {
    async createChart(chart) {
      const patient = await world.open().createChart(chart);
      try {
        await finishChart(patient, chart);
      } catch (why) {
        const detail = why instanceof VaultFailure ? why.failure.detail : undefined;
        throw new VaultFailure({ code: 'chart.unfinished', detail, extra: { patient, why: why instanceof VaultFailure ? why.code : 'vault.failed' } });
      }
      return { patient };
    },
    finishChart,
    async chartTexts(patient) {
      const core = world.open();
      const texts: Partial<ChartTexts> = {};
      for (const which of TEXTS) texts[which] = await core.chartText(patient, which);
      return texts as ChartTexts;
    },
    async putChartText(patient, which, text) {
      await world.open().putChartText(patient, which, text, name());
      world.changed(patient);
    },
    async claimSheet(patient) {
      const key = await world.open().claimSheet(patient);
      return { patient, url: `${self.location.origin}/claim#sheet=${patient}.${key}` };
    },
    confirmClaim: async (claim) => world.open().confirmClaim(claim),
    claimBySheet: (patient, key) => take(patient, patient, { patient, key }),
    completeClaim: (claim) => take(claim.patient_id, claim.id, claim),
    passOn: async (patient, record, to) => world.open().passOn(patient, record, to, name()),
    async attachDestination(destination) {
      await world.open().attachDestination(destination);
      await sealOwed(destination.patient);
    },
    sealOwed,
    changeKeys: (password) => world.move(async () => {
      await world.unlock(password);
      const patients = await concerned(world.http, world.account());
      const made = await world.open().changeKeys(world.account()?.email ?? '', password, patients);
      for (const patient of patients) world.changed(patient);
      return made;
    }),
  };
}

/** Every patient whose keys an account holds: its own, charts it opened, what others share with it. */
async function concerned(http: Pick<Http, 'json'>, account: Account | null): Promise<string[]> {
  const found = new Set<string>();
  const all = async <T>(path: string, take: (one: T) => void) => {
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = (await http.json('GET', `${path}limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, undefined)) as Items<T>;
      page.items.forEach(take);
      cursor = page.next;
    }
  };
  if (account?.kind === 'patient') {
    const profile = (await http.json('GET', '/api/patients/profile', undefined)) as { patients: { id: string }[] };
    for (const patient of profile.patients) found.add(patient.id);
  }
  if (account?.kind === 'provider') {
    await all<Permission>('/api/sharing/permissions?status=all&', (one) => {
      if (!one.ended_at && new Date(one.expiry_date).getTime() > Date.now()) found.add(one.patient_id);
    });
    try {
      await all<Chart>('/api/v1/patients?', (one) => {
        if (one.user_id === account.id && !one.claimed) found.add(one.id);
      });
    } catch (why) {
      // Only practitioners of some types have charts.
      if (!(why instanceof VaultFailure) || why.failure.status !== 403) throw why;
    }
  }
  return [...found];
}
