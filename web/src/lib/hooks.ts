/** What many screens need: the vault's state, and queries that follow it. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { VaultFailure, type VaultState } from '../vault-worker/api.ts';
import { onVault, vault } from './vault.ts';

let current: VaultState | null = null;
const heard = new Set<() => void>();
let begun = false;

function keep(state: VaultState) {
  current = state;
  for (const one of heard) one();
}

function begin() {
  if (begun) return;
  begun = true;
  onVault((event) => {
    if (event.event === 'state') keep(event.state);
  });
  vault.state().then(keep, () => keep({ state: 'out', account: null, patient: null, patients: [], shared: false, live: false, ended: null }));
}

/** The vault's state; null until the worker answered. */
export function useVault(): VaultState | null {
  begin();
  return useSyncExternalStore((tell) => {
    heard.add(tell);
    return () => heard.delete(tell);
  }, () => current);
}

export function vaultState(): VaultState | null {
  return current;
}

/** Who is signed in; only below screens that made sure of it. */
export function useMe() {
  const state = useVault();
  if (!state?.account) throw new Error('nobody is signed in');
  return { account: state.account, patient: state.patient ?? '' };
}

/** Everything of a patient that lists show. */
export function useHeaders(patient: string) {
  const client = useQueryClient();
  useEffect(() => onVault((event) => {
    if (event.event === 'changed' && event.patient === patient) {
      void client.invalidateQueries({ queryKey: ['vault', patient] });
    }
  }), [client, patient]);
  return useQuery({ queryKey: ['vault', patient, 'headers'], queryFn: () => vault.listHeaders(patient), enabled: patient !== '' });
}

/** A failure in plain words. */
export function useWhy(): (why: unknown) => string {
  const { t, i18n } = useTranslation();
  return (why) => {
    const failure = why instanceof VaultFailure ? why.failure : null;
    if (!failure) return t('errors.unknown');
    const key = `errors.${failure.code.replaceAll('.', '_')}`;
    if (i18n.exists(key)) return t(key as 'errors.unknown');
    if (failure.status === 429) return t('errors.slow_down');
    return failure.detail || t('errors.unknown');
  };
}
