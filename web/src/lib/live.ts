/** What is asked again when something was heard of; asking by the clock is for when nothing can be heard. */
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { Topic } from '../vault-worker/api.ts';
import { useVault } from './hooks.ts';
import { onVault } from './vault.ts';

/** The queries that a topic is about; null where it is everything. */
export function queriesOf(topic: Topic): QueryKey[] | null {
  switch (topic) {
    case 'records': return [['vault'], ['audit']];
    case 'grants': return [['shares'], ['shared-with-me'], ['analytics'], ['audit'], ['vault']];
    case 'shares': return [['shares'], ['analytics'], ['audit']];
    case 'requests': return [['requests'], ['audit']];
    case 'claims': return [['claims'], ['charts'], ['profile'], ['shares'], ['shared-with-me'], ['vault']];
    case 'sync': return [['connections'], ['syncs'], ['logs'], ['deliveries']];
    case 'session': return [['sessions']];
    case 'reset': return null;
  }
}

/** Follows what changes, for every screen below. */
export function useLive() {
  const client = useQueryClient();
  useEffect(() => onVault((event) => {
    if (event.event !== 'heard') return;
    const keys = queriesOf(event.topic);
    if (!keys) void client.invalidateQueries();
    else for (const queryKey of keys) void client.invalidateQueries({ queryKey });
  }), [client]);
}

/** How often to ask, in milliseconds, where nothing can be heard; `false` while it can. */
export function usePoll(ms: number): number | false {
  const live = useVault()?.live ?? false;
  return live ? false : ms;
}

/** Longest wait a timer takes as it is meant, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * When to look again because of the clock alone: a second after the next of
 * these moments, for what begins or ends then. `false` where none lies ahead.
 */
export function nextChange(moments: (string | null | undefined)[], now: number): number | false {
  const ahead = moments.map((one) => (one ? new Date(one).getTime() - now : Number.NaN)).filter((one) => one > 0);
  return ahead.length ? Math.min(LONGEST, Math.min(...ahead) + 1000) : false;
}
