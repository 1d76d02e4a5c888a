/** What surrounds a provider's patients and their requests. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe } from '../lib/hooks.ts';
import { vault } from '../lib/vault.ts';
import { Head } from './pieces.tsx';
import { SubNav } from './sub-nav.tsx';

export function CaseloadFrame({ children, actions }: { children: ReactNode; actions?: ReactNode }) {
  const { t } = useTranslation();
  const { account } = useMe();
  // An administrator's decision is told by mail only; whoever waits here sees it as well.
  useQuery({ queryKey: ['own-verification', account.id], queryFn: () => vault.refreshAccount(), refetchInterval: 20_000, enabled: account.verification === 'pending' });
  return (
    <>
      <Head title={t('patients.title')} actions={actions}>{t('patients.more')}</Head>
      <SubNav label={t('patients.title')} parts={[{ to: '/patients', text: t('patients.title') }, { to: '/patients/requests', text: t('requests.mine') }]} />
      {children}
    </>
  );
}
