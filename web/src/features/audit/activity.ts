/** Entries of the trail as the server lists them, and who stands behind them. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useMe } from '../../lib/hooks.ts';
import { allShares } from '../../lib/sharing.ts';
import type { ListedEntry, RecordType } from '../../vault-worker/api.ts';

export interface Entry extends ListedEntry {
  actor: { kind: string; id?: string; name?: string };
  types?: RecordType[];
  count?: number;
  from?: string;
  record?: string;
  grant?: string;
  session?: string;
  purpose?: string;
  assisted?: boolean;
}
export interface Page { items: Entry[]; next: string | null }

/** What an action is called; a word from a newer server stays as it is. */
export function useActionName(): (word: string) => string {
  const { i18n } = useTranslation();
  return (word) => {
    const table = i18n.getResource(i18n.language, 'translation', 'activity.actions') as Record<string, string> | undefined;
    return table?.[word] ?? word;
  };
}

export function usePurposeName(): (code: string | null | undefined) => string {
  const { i18n } = useTranslation();
  return (code) => {
    const table = i18n.getResource(i18n.language, 'translation', 'activity.purposes') as Record<string, string> | undefined;
    return code ? table?.[code] ?? code : '';
  };
}

/** Names of one's own links and grants, by their id. Only patients have them. */
export function useGrantNames(): ReadonlyMap<string, { name: string; link: boolean }> {
  const { account, patient } = useMe();
  const shares = useQuery({ queryKey: ['shares', patient, 'all'], queryFn: () => allShares(patient), enabled: account.kind === 'patient' && patient !== '' });
  return new Map((shares.data ?? []).map((one) => [one.id, { name: one.name, link: one.kind === 'link' }]));
}

/** Who did it, in words. */
export function useWho(): (actor: Entry['actor']) => string {
  const { t } = useTranslation();
  const { account } = useMe();
  const grants = useGrantNames();
  return (actor) => {
    if (actor.id === account.id) return t('activity.you');
    if (actor.name) return actor.name;
    if (actor.kind === 'link') {
      const name = actor.id ? grants.get(actor.id)?.name : undefined;
      return name ? t('activity.link_of', { name }) : t('activity.link');
    }
    return t(actor.kind === 'system' ? 'activity.system' : actor.kind === 'account' ? 'activity.someone' : 'activity.nobody');
  };
}
