/** What a run brought, in words. */
import { useTranslation } from 'react-i18next';
import { count } from '../../lib/format.ts';
import type { Direction, SyncCounts } from '../../lib/practice.ts';

export function useBrought(): (counts: SyncCounts, direction: Direction) => string {
  const { t } = useTranslation();
  return (counts, direction) => {
    const told = (['created', 'updated', 'unchanged', 'skipped', 'failed'] as const)
      .filter((one) => counts[one] > 0)
      .map((one) => t(`sync.${direction === 'destination' && one === 'created' ? 'queued' : one}`, { count: counts[one], shown: count(counts[one]) }));
    return told.length ? told.join(' · ') : t(direction === 'source' ? 'sync.nothing_new' : 'sync.nothing_to_send');
  };
}
