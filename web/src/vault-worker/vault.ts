/**
 * The vault as pages see it: who is signed in, when keys are put away, and the
 * core behind it. The keys are in the core's memory and nowhere else.
 */
import {
  type Account, type ChartApi, type Events, type OwnPatient, type RecordHeader, type Topic, TOPICS, VaultFailure, type VaultApi, type VaultState,
} from './api.ts';
import { chartMethods } from './charts.ts';
import { type Core, openCore, signedBy } from './core.ts';
import { leftOut } from './export.ts';
import { Http, type TokenAnswer } from './http.ts';
import { type Line, listen, sleep } from './live.ts';
import { checkEntry, checkTrail, trailWorld } from './trail.ts';

/** Minutes without anybody there after which keys are put away. */
const IDLE_MINUTES = 10;
/** How long records that arrive one after the other are gathered, in milliseconds. */
const GATHER_MS = 300;
/** How often what destinations are owed of a patient is sealed at most, in milliseconds. */
const OWE_MS = 15_000;
/** The largest file that is read into memory here, in bytes. */
const MAX_FILE = 256 << 20;

interface Profile { name: string; email_verified: boolean; patient_id: string | null; patients: OwnPatient[]; preferences: Record<string, unknown> }
interface SignedIn extends TokenAnswer { account: Account; patient_id?: string | null }

/** A file as bytes, saying how far it is. */
async function read(file: File, onRead: (done: number) => void): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.size);
  let done = 0;
  const reader = file.stream().getReader();
  onRead(0);
  for (;;) {
    const part = await reader.read();
    if (part.done) return bytes.subarray(0, done);
    // A file that grows while it is read is taken as long as it was.
    const rest = part.value.subarray(0, bytes.length - done);
    bytes.set(rest, done);
    done += rest.length;
    onRead(done);
  }
}

export function makeVault(tell: (event: Events) => void, shared: boolean): VaultApi & ChartApi {
  let account: Account | null = null;
  let patient: string | null = null;
  let patients: OwnPatient[] = [];
  let core: Core | null = null;
  let idle = IDLE_MINUTES;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Headers of opened patients, so that screens need not open them again. */
  const headers = new Map<string, Promise<RecordHeader[]>>();
  /** When what is owed of a patient was sealed last. */
  const owing = new Map<string, number>();
  let live = false;
  let ended: VaultState['ended'] = null;
  let listening: AbortController | null = null;
  let refreshing: ReturnType<typeof setTimeout> | undefined;
  /** Ways in and out that are under way here: they end sessions themselves. */
  let moving = 0;

  // A session that ran out is opened again with the password above the screen,
  // so that nothing typed there is lost.
  const http = new Http(() => {
    stopListening();
    lock();
  });

  const state = (): VaultState => ({ state: account ? (core ? 'open' : 'locked') : 'out', account, patient, patients, shared, live, ended });
  const tellState = () => tell({ event: 'state', state: state() });

  function leave(why: VaultState['ended']) {
    stopListening();
    forget();
    account = null;
    patient = null;
    patients = [];
    ended = why;
    tellState();
  }

  // --- what changes elsewhere ---------------------------------------------------

  function stopListening() {
    listening?.abort();
    listening = null;
    live = false;
  }

  function startListening() {
    stopListening();
    const own = new AbortController();
    listening = own;
    void listen({
      open: (last, signal) => http.stream('/api/events', last === null ? {} : { 'last-event-id': last }, signal),
      heard: (line) => void heard(line).catch(() => undefined),
      state: (on) => {
        if (own.signal.aborted || live === on) return;
        live = on;
        tellState();
      },
      sleep,
      chance: Math.random,
    }, own.signal).then(() => {
      // The stream ends with the session, often before it can say so.
      if (!own.signal.aborted) return stillSignedIn();
    });
  }

  async function heard(line: Line) {
    const topic: Topic = TOPICS.find((one) => one === line.event) ?? 'reset';
    if (topic === 'session') await stillSignedIn();
    // Unlocking looks at everything again; before, nothing could be opened.
    if (!core) return;
    if (topic === 'records') {
      // A sync writes many at a time: they are taken over together.
      refreshing ??= setTimeout(() => {
        refreshing = undefined;
        void refreshAll('records');
      }, GATHER_MS);
    } else if (topic === 'reset') {
      await refreshAll('reset');
    } else {
      if (topic === 'sync' && patient) owe(patient);
      tell({ event: 'heard', topic });
    }
  }

  /** A session was ended: perhaps this one, by its owner on another device. */
  async function stillSignedIn() {
    const asked = listening;
    if (moving > 0) return;
    try {
      await http.json('GET', '/api/auth/session', undefined);
    } catch (why) {
      if (!(why instanceof VaultFailure) || why.failure.status !== 401) return;
      // Whoever came in anew meanwhile has another session.
      if (moving > 0 || listening !== asked) return;
      http.forget();
      leave('elsewhere');
    }
  }

  async function move<T>(way: () => Promise<T>): Promise<T> {
    moving += 1;
    try {
      return await way();
    } finally {
      moving -= 1;
    }
  }

  /** Takes over what others sealed, so that what is asked for next opens; then tells of it. */
  async function refreshAll(topic: Topic) {
    const known = [...headers.keys()];
    headers.clear();
    const now = core;
    if (!now) return;
    await Promise.all(known.map((of) => now.settle(of).catch(() => undefined)));
    tell({ event: 'heard', topic });
  }

  /** Destinations get what they are owed by whoever can open it and is there; nobody waits for it. */
  function owe(of: string) {
    const last = owing.get(of) ?? 0;
    if (!core || Date.now() - last < OWE_MS) return;
    owing.set(of, Date.now());
    void core.sealOwed(of).catch(() => undefined);
  }

  function forget() {
    clearTimeout(timer);
    owing.clear();
    headers.clear();
    core?.forget();
    core = null;
  }

  function restart() {
    clearTimeout(timer);
    if (core) timer = setTimeout(lock, idle * 60_000);
  }

  function lock() {
    forget();
    tellState();
  }

  function open(): Core {
    if (!core) throw new VaultFailure({ code: account ? 'vault.locked' : 'session.missing' });
    restart();
    return core;
  }

  /** Whose records the account owns, and which of them was chosen last, on whatever device. */
  async function lookUpPatients() {
    if (account?.kind !== 'patient') return null;
    const profile = (await http.json('GET', '/api/patients/profile', undefined)) as Profile;
    patients = profile.patients.map(({ id, name }) => ({ id, name }));
    const { shown } = profile.preferences;
    patient = patients.find((one) => one.id === shown)?.id ?? profile.patient_id;
    return profile;
  }

  async function choosePatient(chosen: string): Promise<VaultState> {
    const profile = await lookUpPatients();
    if (!profile || !patients.some((one) => one.id === chosen)) throw new VaultFailure({ code: 'patient.unknown' });
    patient = chosen;
    await http.json('PUT', '/api/patients/profile', { preferences: { ...profile.preferences, shown: chosen } });
    tellState();
    return state();
  }

  async function take(opened: Core, said: SignedIn) {
    const again = account !== null;
    forget();
    http.take(said);
    core = opened;
    if (account?.id !== said.account.id) patient = said.patient_id ?? null;
    account = said.account;
    // Without an answer the oldest is shown.
    await lookUpPatients().catch(() => undefined);
    if (core !== opened) return;
    ended = null;
    restart();
    startListening();
    tellState();
    // What happened while it was locked was not heard by anybody.
    if (again) tell({ event: 'heard', topic: 'reset' });
  }

  async function signIn(email: string, password: string): Promise<VaultState> {
    const fresh = await openCore(http);
    await take(fresh, (await fresh.signIn(email, password)) as SignedIn);
    return state();
  }

  async function unlock(password: string): Promise<VaultState> {
    if (!account) throw new VaultFailure({ code: 'session.missing' });
    const { email } = account;
    return move(async () => {
      const before = await http.token().catch(() => null);
      const now = await signIn(email, password);
      // Unlocking signs in anew; the sign-in before it is no longer needed.
      if (before) await http.raw('POST', '/api/auth/logout', null, { authorization: `Bearer ${before}` }, false).catch(() => undefined);
      return now;
    });
  }

  function recover(email: string, code: string, password: string): Promise<{ recovery_code: string }> {
    return move(async () => {
      const fresh = await openCore(http);
      const done = await fresh.recover(email, code, password);
      await take(fresh, done as unknown as SignedIn);
      return { recovery_code: done.recovery_code };
    });
  }

  function changed(of: string) {
    headers.delete(of);
    tell({ event: 'changed', patient: of });
  }

  return {
    state: async () => state(),
    touch: async () => restart(),
    setIdle: async (minutes) => {
      idle = Math.min(Math.max(minutes, 1), 60);
      restart();
    },
    async registerPatient(form) {
      const { password, ...person } = form;
      const fresh = await openCore(http);
      const { recovery_code } = await fresh.register('patient', person, password);
      await signIn(form.email, password);
      return { recovery_code };
    },
    async registerProvider(form) {
      const { password, ...person } = form;
      const fresh = await openCore(http);
      const { recovery_code } = await fresh.register('provider', person, password);
      await signIn(form.email, password);
      return { recovery_code };
    },
    signIn,
    unlock,
    lock: async () => lock(),
    async signOut() {
      leave(null);
      await http.json('POST', '/api/auth/logout', undefined).catch(() => undefined);
      http.forget();
    },
    accessToken: () => http.token(),
    async refreshAccount() {
      if (account?.kind === 'patient') {
        const profile = await lookUpPatients();
        if (profile && account) account = { ...account, name: profile.name, email_verified: profile.email_verified };
      }
      if (account?.kind === 'provider' && account.verification !== 'verified') {
        // The directory lists whoever is confirmed: that is where it shows first.
        const found = (await http.json('GET', `/api/providers?q=${encodeURIComponent(account.name)}`, undefined)) as { items: { id: string }[] };
        if (account && found.items.some((one) => one.id === account?.id)) account = { ...account, verification: 'verified' };
      }
      tellState();
      return state();
    },
    async changePassword(current, next) {
      await open().changePassword(account?.email ?? '', current, next);
    },
    recover,
    renewKit: (code, password) => move(async () => {
      // The password is tried first: coming back with the kit sets it anew, and a
      // slip of the finger must not become the password.
      await unlock(password);
      return recover(account?.email ?? '', code, password);
    }),
    closeAccount: (password) => move(async () => {
      await unlock(password);
      await http.json('DELETE', '/api/patients/profile', undefined);
      http.forget();
      leave('closed');
    }),

    listHeaders(of) {
      const known = headers.get(of);
      if (known && core) {
        restart();
        return known;
      }
      const asked = Promise.resolve().then(() => open().listHeaders(of));
      headers.set(of, asked);
      asked.then(() => owe(of), () => headers.delete(of));
      return asked;
    },
    readRecord: async (of, record) => open().readRecord(of, record),
    clinical: async (of, types) => open().clinical(of, types),
    async exportRecord(of, job) {
      const all = await open().listHeaders(of);
      const said = (done: number) => tell({ event: 'progress', job, stage: 'reading', done: Math.min(done, all.length), total: all.length });
      said(0);
      const text = await open().exportBundle(of, said);
      tell({ event: 'progress', job, stage: 'done', done: all.length, total: all.length });
      const files = all.filter((one) => one.body === 'file').map((one) => ({ id: one.id, name: one.file_name ?? one.title, size: one.size }));
      return { bundle: new Blob([text], { type: 'application/fhir+json' }), left_out: leftOut(text, files) };
    },
    async importFile(of, file, job, whole) {
      if (file.size > MAX_FILE) throw new VaultFailure({ code: 'import.too_large' });
      const bytes = await read(file, (done) => tell({ event: 'progress', job, stage: 'reading', done, total: file.size }));
      let sent = 0;
      const told = (more: number) => {
        sent += more;
        tell({ event: 'progress', job, stage: sent > file.size / 20 ? 'sending' : 'sealing', done: Math.min(sent, file.size), total: file.size });
        restart();
      };
      told(0);
      const report = await open().importFile(of, bytes, file.name, file.type, account?.name ?? null, { whole, onSent: told });
      tell({ event: 'progress', job, stage: 'done', done: 1, total: 1 });
      changed(of);
      return { ...report, file: file.name };
    },
    async addText(of, text) {
      const report = await open().addText(of, text, account?.name ?? null);
      changed(of);
      return { ...report, file: text.title };
    },
    settle: async (of) => open().settle(of),

    previewShare: async (of, part) => open().previewShare(of, part),
    createLink: async (of, link) => open().createLink(of, link, account?.name ?? null),
    linkUrl: async (of, grant) => open().linkUrl(of, grant),
    createGrant: async (of, grant) => open().createGrant(of, grant, account?.name ?? null),
    approveRequest: async (of, request, grant) => open().approveRequest(of, request, grant, account?.name ?? null),
    endGrant: async (of, grant, kind) => open().endGrant(of, grant, kind),
    changeTerms: async (of, grant, until) => open().changeTerms(of, grant, until),
    covers: async (of) => open().covers(of),
    fingerprint: async (of) => open().fingerprint(of),

    ...chartMethods({
      http, open, tell, changed, unlock, move, account: () => account,
      choose: async (chosen) => { await choosePatient(chosen); },
    }),
    choosePatient,

    verifyEntry: async (entry) => checkEntry(trailWorld(http, await signedBy()), entry),
    verifyTrail: async () => checkTrail(trailWorld(http, await signedBy())),
  };
}
