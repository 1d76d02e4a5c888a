/** What surrounds a provider's patients and their requests. */
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Head } from './pieces.tsx';
import { SubNav } from './sub-nav.tsx';

export function CaseloadFrame({ children, actions }: { children: ReactNode; actions?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <>
      <Head title={t('patients.title')} actions={actions}>{t('patients.more')}</Head>
      <SubNav label={t('patients.title')} parts={[{ to: '/patients', text: t('patients.title') }, { to: '/patients/requests', text: t('requests.mine') }]} />
      {children}
    </>
  );
}
