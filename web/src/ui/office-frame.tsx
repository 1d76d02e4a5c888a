/** What surrounds the parts of "Administration". */
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Head } from './pieces.tsx';
import { SubNav } from './sub-nav.tsx';

export function OfficeFrame({ children, more }: { children: ReactNode; more?: string }) {
  const { t } = useTranslation();
  return (
    <>
      <Head title={t('admin.title')}>{more ?? t('admin.more')}</Head>
      <SubNav
        label={t('admin.title')}
        parts={[
          { to: '/admin', text: t('office.tab_queue') }, { to: '/admin/accounts', text: t('office.tab_accounts') }, { to: '/admin/numbers', text: t('office.tab_numbers') },
          { to: '/admin/health', text: t('office.tab_health') }, { to: '/admin/log', text: t('office.tab_log') },
        ]}
      />
      {children}
    </>
  );
}
