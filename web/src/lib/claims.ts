/**
 * Claims: what a link or a sheet brought along, and the calls about them. A
 * sheet's key opens a whole chart: it is kept in this page's memory, in no
 * storage, and is gone with the tab.
 */
import type { components } from '../api.gen/schema.ts';
import { api, call, ok } from './api.ts';

export type Claim = Omit<components['schemas']['ClaimView'], 'state'> & { state: 'asked' | 'confirmed' | 'refused' | 'done' };

export type Proof = { by: 'invitation'; token: string } | { by: 'sheet'; patient: string; key: string };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What stands in the fragment of `/claim`. */
export function readProof(hash: string): Proof | null {
  const said = new URLSearchParams(hash.replace(/^#/, ''));
  const token = said.get('invitation');
  if (token !== null) return /^[\w-]{16,128}$/.test(token) ? { by: 'invitation', token } : null;
  const [patient = '', key = '', ...rest] = (said.get('sheet') ?? '').split('.');
  return rest.length === 0 && UUID.test(patient) && /^[\w-]{43}$/.test(key) ? { by: 'sheet', patient, key } : null;
}

let held: Proof | null = null;
export const holdProof = (proof: Proof | null) => { held = proof; };
export const heldProof = () => held;

/** A chart that was taken over here, until its owner was told what that means. */
let taken: { patient: string; practitioner: string } | null = null;
export const holdTaken = (claim: typeof taken) => { taken = claim; };
export const heldTaken = () => taken;

export const listClaims = async () => (await call<{ items: Claim[] }>('GET', '/api/v1/claims')).items;
export const claimByInvitation = (invitation: string, date_of_birth: string) =>
  ok(api.POST('/api/v1/claims', { body: { invitation, ...(date_of_birth ? { date_of_birth } : {}) } })) as Promise<Claim>;
export const refuseClaim = (id: string) => ok(api.PUT('/api/v1/claims/{id}', { params: { path: { id } }, body: { decision: 'refuse' } }));

/** Those that wait for somebody who opened charts. */
export const toAnswer = (claims: Claim[] | undefined, me: string) => (claims ?? []).filter((one) => one.claimant_id !== me && one.state === 'asked');

/** One's own that are under way, or were refused: the newest of each chart. */
export function ownClaims(claims: Claim[] | undefined, me: string): Claim[] {
  const newest = new Map<string, Claim>();
  for (const one of claims ?? []) {
    const known = newest.get(one.patient_id);
    if (one.claimant_id === me && (!known || known.asked_at < one.asked_at)) newest.set(one.patient_id, one);
  }
  return [...newest.values()].filter((one) => one.state !== 'done');
}
