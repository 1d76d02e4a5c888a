/** The first screen for whoever is not signed in. */
import { Button } from '@mantine/core';
import { IconEyeOff, IconKey, IconReceipt2 } from '@tabler/icons-react';
import { Link, Navigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useVault } from '../../lib/hooks.ts';
import { firstScreen } from '../../lib/screens.ts';
import { Entry } from '../../ui/entry.tsx';

export function Welcome() {
  const { t } = useTranslation();
  const state = useVault();
  useEffect(() => { document.title = 'Chartkey'; }, []);
  if (state?.account) return <Navigate to={firstScreen(state.account)} replace />;
  const points = [[IconEyeOff, 'point_sealed'], [IconKey, 'point_share'], [IconReceipt2, 'point_trail']] as const;
  return (
    <Entry>
      <h1>{t('accounts.welcome')}</h1>
      <p className="muted">{t('accounts.welcome_more')}</p>
      <ul className="list stack-s" style={{ margin: '26px 0 30px' }}>
        {points.map(([Icon, word]) => (
          <li key={word} className="row" style={{ border: 0, flexWrap: 'nowrap', alignItems: 'start' }}>
            <Icon size={22} stroke={1.6} color="var(--accent)" style={{ flex: 'none', marginTop: 3 }} aria-hidden />
            <span><b>{t(`accounts.${word}`)}</b><br /><span className="muted">{t(`accounts.${word}_more`)}</span></span>
          </li>
        ))}
      </ul>
      <div className="stack-s">
        <Button component={Link} to="/sign-up" size="md" fullWidth>{t('accounts.create')}</Button>
        <Button component={Link} to="/sign-in" size="md" variant="default" fullWidth>{t('accounts.sign_in')}</Button>
        <p className="small muted" style={{ textAlign: 'center', margin: '8px 0 0' }}>
          {t('accounts.are_provider')} <Link to="/sign-up/provider">{t('accounts.register_provider')}</Link>
        </p>
      </div>
    </Entry>
  );
}
