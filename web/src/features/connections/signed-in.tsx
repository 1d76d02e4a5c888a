/** Where a browser comes back to from a provider's sign-in. The keys were put away meanwhile: whoever goes on signs in again. */
import { Button } from '@mantine/core';
import { IconCircleCheck, IconPlugConnectedX } from '@tabler/icons-react';
import { Link, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useVault } from '../../lib/hooks.ts';
import { Empty, Mark } from '../../ui/pieces.tsx';

export function SignedIn() {
  const { t } = useTranslation();
  const state = useVault();
  const { outcome, patient } = useSearch({ from: '/connections/signed-in' });
  const title = t(`connections.came_back_${outcome}`);
  useEffect(() => {
    document.title = `${title} · Chartkey`;
  }, [title]);
  // A patient's own connections are with their settings.
  const own = state?.account?.kind === 'patient' || !patient;
  return (
    <div className="reply">
      <header><span className="brand"><Mark /> Chartkey</span></header>
      <main>
        <section className="card" role="status">
          <h1 className="vh">{title}</h1>
          <Empty icon={outcome === 'connected' ? IconCircleCheck : IconPlugConnectedX} title={title}>
            <p>{t(`connections.came_back_${outcome}_more`)}</p>
            {own ? <Button component={Link} to="/">{t('connections.came_back_go')}</Button> : <Button component={Link} to={`/caseload/${patient}/sync`}>{t('connections.came_back_go')}</Button>}
          </Empty>
        </section>
      </main>
    </div>
  );
}
