/** What a practice asks of the server: charts, connections, synchronisation, what is left to do. */
import type { QueryClient } from '@tanstack/react-query';
import { useQueries, useQuery } from '@tanstack/react-query';
import type { components } from '../api.gen/schema.ts';
import type { RecordType } from '../vault-worker/api.ts';
import { api, call, ok } from './api.ts';

type Schemas = components['schemas'];
export type Chart = Schemas['ChartView'];
export type ChartChange = Schemas['ChartChangeRequest'];
export type Connection = Omit<Schemas['ConnectionView'], 'direction' | 'kind' | 'state'> & {
  direction: Direction; kind: SystemKind; state: LinkState;
  /** Where the other end may say that something changed; whoever has it may. */
  webhook_url: string;
};
export type PatientConnection = Omit<Schemas['PatientConnectionView'], 'direction' | 'state'> & { direction: Direction; state: LinkState };
export type Attachment = Omit<Schemas['AttachmentView'], 'state'> & { state: LinkState };
export type Verification = Schemas['VerificationView'];
export type Delivery = Omit<Schemas['DeliveryView'], 'record_type' | 'state'> & { record_type?: RecordType | null; state: DeliveryState };
export type LogLine = Omit<Schemas['LogView'], 'status'> & { status: 'success' | 'error' | 'pending' };
export type Credentials = Schemas['CredentialsRequest'];
export type Authorization = Schemas['AuthorizationRequest'];
export type NewConnection = Schemas['ConnectionRequest'];
export type ConnectionChange = Schemas['ConnectionChangeRequest'];

export type Direction = 'source' | 'destination';
export type SystemKind = 'fhir' | 'carepatron' | 'cliniko' | 'healthie' | 'rest';
export type LinkState = 'ok' | 'needs_attention' | 'paused';
export type DeliveryState = 'owed' | 'ready' | 'sending' | 'done' | 'needs_review' | 'handed_off' | 'dead' | 'cancelled' | 'superseded';
export type RunState = 'queued' | 'running' | 'done' | 'partial' | 'failed';

/** What a run brought. */
export interface SyncCounts { created: number; updated: number; unchanged: number; skipped: number; failed: number }
export interface SyncRun { connection_id: string; name: string; direction: Direction; state: RunState; counts: SyncCounts; problem: string | null; run_at: string; finished_at: string | null }
export interface Sync { id: string; patient_id: string; state: RunState; counts: SyncCounts; runs: SyncRun[] }

interface Page<T> { items: T[]; next?: string | null }

/** Most pages that are read of a list that is shown whole. */
const MOST_PAGES = 40;

async function all<T>(page: (cursor: string | null) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const found: Page<T> = await page(cursor);
    items.push(...found.items);
    cursor = found.next ?? null;
    if (!cursor) break;
  }
  return items;
}

const paged = (path: string, query: Record<string, string>, cursor: string | null) =>
  `${path}?${new URLSearchParams({ ...query, limit: '500', ...(cursor ? { cursor } : {}) })}`;

// --- charts ---------------------------------------------------------------------

export const listCharts = () => all<Chart>((cursor) => call('GET', paged('/api/v1/patients', {}, cursor)));
export const findChart = (id: string) => ok(api.GET('/api/v1/patients/{id}', { params: { path: { id } } }));
export const updateChart = (id: string, body: ChartChange) => ok(api.PUT('/api/v1/patients/{id}', { params: { path: { id } }, body }));
export const deleteChart = (id: string) => ok(api.DELETE('/api/v1/patients/{id}', { params: { path: { id } } }));
export const invite = (id: string) => ok(api.POST('/api/v1/patients/{id}/invitation', { params: { path: { id } } }));

// --- connections ------------------------------------------------------------------

export const listConnections = async () => (await call<Page<Connection>>('GET', '/api/v1/connections')).items;
export const findConnection = (id: string) => call<Connection>('GET', `/api/v1/connections/${id}`);
export const createConnection = (body: NewConnection) => call<Connection>('POST', '/api/v1/connections', body);
export const updateConnection = (id: string, body: ConnectionChange) => call<Connection>('PUT', `/api/v1/connections/${id}`, body);
export const deleteConnection = (id: string) => ok(api.DELETE('/api/v1/connections/{id}', { params: { path: { id } } }));
export const verifyConnection = (id: string) => ok(api.POST('/api/v1/connections/{id}/verify', { params: { path: { id } } }));
export const listAttachments = (id: string) => all<Attachment>((cursor) => call('GET', paged(`/api/v1/connections/${id}/patients`, {}, cursor)));
export const detachPatient = (id: string, patient: string) => ok(api.DELETE('/api/v1/connections/{id}/patients/{patient}', { params: { path: { id, patient } } }));
export const listPatientConnections = async (patient: string) => (await call<Page<PatientConnection>>('GET', `/api/v1/patients/${patient}/connections`)).items;

/** Providers by the beginnings of their names, out of the directory that an administrator loaded. */
export const findEndpoints = async (text: string) => (await call<Page<{ name: string; base_url: string }>>('GET', `/api/v1/directory/endpoints?q=${encodeURIComponent(text)}`)).items;

/** Begins a patient's sign-in at their provider: where this browser is to go. */
export const launch = (connection: string, patient_id: string) => call<{ authorize_url: string; redirect_uri: string }>('POST', `/api/v1/connections/${connection}/launch`, { patient_id });

/** The server's own order of types: a signed statement is compared with what is asked, word for word. */
const TYPES: readonly RecordType[] = [
  'lab-results', 'imaging', 'vaccines', 'allergies', 'prescriptions', 'conditions', 'procedures', 'vitals', 'documents', 'encounters', 'care-plans', 'insurance',
  'family-history', 'social-history', 'diet', 'demographics', 'other',
];
export const inOrder = (types: readonly RecordType[]) => TYPES.filter((one) => types.includes(one));

// --- synchronisation ----------------------------------------------------------------

export type Way = 'pull' | 'push' | 'both';
export const startSync = (patient: string, direction: Way) => ok(api.POST('/api/v1/patients/{id}/sync', { params: { path: { id: patient } }, body: { direction } })) as Promise<Schemas['StartedView']>;
export const findSync = (id: string) => call<Sync>('GET', `/api/v1/syncs/${id}`);
export const listLogs = (patient: string, cursor: string) => call<Page<LogLine>>('GET', paged(`/api/v1/patients/${patient}/logs`, {}, cursor || null));
export const isOver = (state: RunState) => state === 'done' || state === 'partial' || state === 'failed';

// --- what is left to do ---------------------------------------------------------------

export const listDeliveries = (state: DeliveryState) => all<Delivery>((cursor) => call('GET', paged('/api/v1/deliveries', { state }, cursor)));
/** What reached a patient's platforms. */
export const listSent = (patient: string) => all<Delivery>((cursor) => call('GET', paged('/api/v1/deliveries', { state: 'done', patient_id: patient }, cursor)));
export const decide = (id: string, decision: 'filed' | 'retry' | 'dismiss') => ok(api.PUT('/api/v1/deliveries/{id}', { params: { path: { id } }, body: { decision } }));

/** States in which a delivery waits for a person. */
export const TO_DO = ['handed_off', 'needs_review', 'dead'] as const;
export type ToDo = (typeof TO_DO)[number];

// --- queries that several screens share -------------------------------------------------

/** Asks again for everything of a practice, after something of it changed here. */
export const renewPractice = (queries: QueryClient) =>
  Promise.all(['charts', 'connections', 'syncs', 'logs', 'deliveries'].map((word) => queries.invalidateQueries({ queryKey: [word] })));

export const useCharts = (enabled = true) => useQuery({ queryKey: ['charts'], queryFn: listCharts, enabled });
export const useConnections = (enabled = true) => useQuery({ queryKey: ['connections'], queryFn: listConnections, enabled });
export const useToDo = (enabled = true) => useQuery({
  queryKey: ['deliveries', 'to-do'],
  queryFn: async () => (await Promise.all(TO_DO.map(listDeliveries))).flat(),
  refetchInterval: 60_000,
  enabled,
});

/** Who is on each of one's connections. */
export const useAttachments = (connections: Connection[] | undefined) => useQueries({
  queries: (connections ?? []).map(({ id }) => ({ queryKey: ['connections', id, 'patients'], queryFn: () => listAttachments(id) })),
  combine: (found) => ({
    isPending: connections === undefined || found.some((one) => one.isPending),
    error: found.find((one) => one.error)?.error ?? null,
    items: found.flatMap((one) => one.data ?? []),
  }),
});
