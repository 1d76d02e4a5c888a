/** Where somebody ends who signed in at their provider: how it went, and where it shows. */
import { Button } from '@mantine/core';
import { Link, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMe } from '../../lib/hooks.ts';
import { Head, Note } from '../../ui/pieces.tsx';

export const OUTCOMES = ['connected', 'declined', 'expired', 'failed'] as const;

export function SignedIn() {
  const { t } = useTranslation();
  const { account } = useMe();
  const search = useSearch({ strict: false }) as { outcome?: unknown };
  const outcome = OUTCOMES.find((one) => one === search.outcome) ?? 'failed';
  return (
    <>
      <Head title={t('connected.signed_in')} />
      <div className="stack narrow">
        <Note tone={outcome === 'connected' ? 'good' : 'warn'}><p>{t(`connected.signed_in_${outcome}`)}</p></Note>
        <div><Button component={Link} to={account.kind === 'patient' ? '/sharing/connected' : '/caseload'}>{t(account.kind === 'patient' ? 'connected.title' : 'practice.tab_caseload')}</Button></div>
      </div>
    </>
  );
}
