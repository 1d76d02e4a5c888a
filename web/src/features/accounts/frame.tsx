/** What surrounds the parts of "Settings", and the cards that they are made of. */
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe } from '../../lib/hooks.ts';
import { Head } from '../../ui/pieces.tsx';
import { type Part, SubNav } from '../../ui/sub-nav.tsx';
import { Unverified } from '../../ui/unverified.tsx';

export function Card({ title, more, danger = false, children }: { title: string; more?: string; danger?: boolean; children: ReactNode }) {
  return (
    <section className={danger ? 'card danger-card' : 'card'} aria-label={title}>
      <h2>{title}</h2>
      {more ? <p className="muted" style={{ margin: '0 0 14px', maxWidth: '70ch' }}>{more}</p> : null}
      <div className="stack-s" style={{ marginTop: 10, maxWidth: 560 }}>{children}</div>
    </section>
  );
}

export function SettingsFrame({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const parts: Part[] = [{ to: '/settings', text: t('safety.tab_profile') }, { to: '/settings/security', text: t('safety.tab_security') }];
  if (account.kind === 'patient') parts.push({ to: '/settings/data', text: t('safety.tab_data') });
  return (
    <>
      <Head title={t('settings.title')}>{t('settings.more')}</Head>
      <SubNav label={t('settings.title')} parts={parts} />
      <div className="stack"><Unverified account={account} />{children}</div>
    </>
  );
}
