/**
 * Where a mail or a sheet leads: what a chart is, and the way in. What stands in
 * the fragment leaves the address bar at once.
 */
import { Button } from '@mantine/core';
import { Link, Navigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { heldProof, holdProof, readProof } from '../../lib/claims.ts';
import { useVault } from '../../lib/hooks.ts';
import { Entry } from '../../ui/entry.tsx';
import { Note, Waiting } from '../../ui/pieces.tsx';

const NEXT = '/claim/take';

/** What the address says wins over what was held before. */
function take() {
  const read = readProof(location.hash);
  if (read) holdProof(read);
  return heldProof();
}

export function Claim() {
  const { t } = useTranslation();
  const state = useVault();
  const [proof, setProof] = useState(take);
  useEffect(() => {
    const clean = () => history.replaceState(history.state, '', location.pathname);
    // Another link, opened where this page stands already.
    const again = () => {
      setProof(take());
      clean();
    };
    document.title = `${t('claims.title')} · Chartkey`;
    clean();
    addEventListener('hashchange', again);
    return () => removeEventListener('hashchange', again);
  }, [t]);
  if (!state) return <Waiting />;
  if (state.account) return <Navigate to={NEXT} replace />;
  return (
    <Entry>
      <h1>{t('claims.title')}</h1>
      {proof ? (
        <>
          <p className="muted">{t('claims.welcome')}</p>
          <ul className="plain-list">
            <li>{t('claims.welcome_yours')}</li>
            <li>{t('claims.welcome_keys')}</li>
            <li>{t('claims.welcome_keep')}</li>
          </ul>
          <p className="small muted">{t(proof.by === 'sheet' ? 'claims.stay_sheet' : 'claims.stay_mail')}</p>
          <div className="stack-s" style={{ marginTop: 20 }}>
            <Button component={Link} to="/sign-up" search={{ next: NEXT } as never} size="md" fullWidth>{t('accounts.create')}</Button>
            <Button component={Link} to="/sign-in" search={{ next: NEXT } as never} size="md" variant="default" fullWidth>{t('claims.have_account')}</Button>
          </div>
        </>
      ) : <Note tone="warn"><p>{t('claims.incomplete')}</p></Note>}
    </Entry>
  );
}
