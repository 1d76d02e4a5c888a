/** What surrounds the parts of a practice: caseload, connections, what is left to do. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { listClaims, toAnswer } from '../lib/claims.ts';
import { useMe } from '../lib/hooks.ts';
import { useToDo } from '../lib/practice.ts';
import { vault } from '../lib/vault.ts';
import { Head, Note } from './pieces.tsx';
import { SubNav } from './sub-nav.tsx';
import { Unverified } from './unverified.tsx';

/** The way between them. */
export function PracticeTabs() {
  const { t } = useTranslation();
  const { account } = useMe();
  const verified = account.verification === 'verified';
  const toDo = useToDo(verified);
  const claims = useQuery({ queryKey: ['claims'], queryFn: listClaims, enabled: verified });
  return (
    <SubNav
      label={t('practice.title')}
      parts={[
        { to: '/caseload', text: t('practice.tab_caseload') },
        { to: '/caseload/claims', text: t('practice.tab_claims'), count: toAnswer(claims.data, account.id).length },
        { to: '/caseload/connections', text: t('practice.tab_connections') },
        { to: '/caseload/requests', text: t('practice.tab_requests') },
        { to: '/caseload/to-do', text: t('practice.tab_to_do'), count: toDo.data?.length ?? 0 },
      ]}
    />
  );
}

export function PracticeFrame({ children, more, actions }: { children: ReactNode; more?: string; actions?: ReactNode }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const verified = account.verification === 'verified';
  // An administrator's decision is told by mail only; whoever waits here sees it as well.
  useQuery({ queryKey: ['own-verification', account.id], queryFn: () => vault.refreshAccount(), refetchInterval: 20_000, enabled: account.verification === 'pending' });
  return (
    <>
      <Head title={t('practice.title')} actions={verified ? actions : undefined}>{more ?? t('practice.more')}</Head>
      <PracticeTabs />
      {verified ? children : (
        <div className="stack">
          <Unverified account={account} />
          <Note tone="warn"><p>{t('practice.unverified')}</p></Note>
        </div>
      )}
    </>
  );
}
