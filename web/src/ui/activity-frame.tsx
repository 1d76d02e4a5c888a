/** What surrounds the parts of "Activity": its heading and the way between them. */
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe } from '../lib/hooks.ts';
import { Head } from './pieces.tsx';
import { type Part, SubNav } from './sub-nav.tsx';

export function ActivityFrame({ children, more }: { children: ReactNode; more: string }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const parts: Part[] = [{ to: '/activity', text: t('activity.tab_entries') }];
  if (account.kind === 'patient') parts.push({ to: '/activity/disclosures', text: t('activity.tab_disclosures') });
  parts.push({ to: '/activity/numbers', text: t('activity.tab_numbers') });
  return (
    <>
      <Head title={t('activity.title')}>{more}</Head>
      <SubNav label={t('activity.title')} parts={parts} />
      {children}
    </>
  );
}
