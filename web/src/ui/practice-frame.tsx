/** What surrounds the parts of a practice: caseload, connections, what is left to do. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { listClaims, toAnswer } from '../lib/claims.ts';
import { useMe } from '../lib/hooks.ts';
import { useToDo } from '../lib/practice.ts';
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
        { to: '/caseload/to-do', text: t('practice.tab_to_do'), count: toDo.data?.length ?? 0 },
      ]}
    />
  );
}

export function PracticeFrame({ children, more, actions }: { children: ReactNode; more?: string; actions?: ReactNode }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const verified = account.verification === 'verified';
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
