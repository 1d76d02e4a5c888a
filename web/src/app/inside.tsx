/**
 * The frame around everything that needs somebody signed in. Where the vault
 * is locked it asks for the password above the screen, which stays as it was.
 */
import { Button, PasswordInput } from '@mantine/core';
import { useIdle, useNetwork } from '@mantine/hooks';
import {
  IconActivity, IconAddressBook, IconFolderHeart, IconHome, IconLock, IconLogout, IconSettings, IconShare3, IconShieldCog, IconUsers,
} from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, Navigate, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { count } from '../lib/format.ts';
import { useVault, useWhy } from '../lib/hooks.ts';
import { useLive } from '../lib/live.ts';
import { useToDo } from '../lib/practice.ts';
import { firstScreen, hasCaseload } from '../lib/screens.ts';
import { vault } from '../lib/vault.ts';
import { Mark, Note, Waiting } from '../ui/pieces.tsx';
import { Whose } from '../ui/whose.tsx';
import type { Account } from '../vault-worker/api.ts';

const SCREENS = {
  patient: [['/home', 'home', IconHome], ['/record', 'record', IconFolderHeart], ['/sharing', 'sharing', IconShare3], ['/activity', 'activity', IconActivity]],
  provider: [['/patients', 'patients', IconUsers], ['/activity', 'activity', IconActivity]],
  admin: [['/admin', 'admin', IconShieldCog]],
} as const;

/** Whoever keeps a caseload begins there. */
const CASELOAD = [['/caseload', 'caseload', IconAddressBook], ...SCREENS.provider] as const;

export function Inside() {
  const state = useVault();
  const here = useLocation({ select: (one) => one.href });
  // Where somebody was, not where they are sent: that would never end.
  const wanted = useRef(here);
  useEffect(() => {
    if (state?.account) wanted.current = here;
  }, [state, here]);
  const queries = useQueryClient();
  const out = state !== null && (state.state === 'out' || !state.account);
  // Whoever signs in next sees nothing of whoever was here.
  useEffect(() => {
    if (out) queries.clear();
  }, [out, queries]);
  if (!state) return <Waiting />;
  if (out || !state.account) return <Navigate to="/sign-in" search={{ ...(state.ended === 'closed' ? {} : { next: wanted.current }), ...(state.ended ? { why: state.ended } : {}) }} replace />;
  return <Frame account={state.account} locked={state.state === 'locked'} />;
}

function Frame({ account, locked }: { account: Account; locked: boolean }) {
  const { t } = useTranslation();
  const idle = useIdle(30_000);
  const { online } = useNetwork();
  useLive();
  useEffect(() => {
    if (idle) return;
    void vault.touch();
    const timer = setInterval(() => void vault.touch(), 30_000);
    return () => clearInterval(timer);
  }, [idle]);
  const practises = hasCaseload(account) && account.verification === 'verified';
  const screens = hasCaseload(account) ? CASELOAD : SCREENS[account.kind];
  const toDo = useToDo(practises && !locked).data?.length ?? 0;
  const links = (bottom: boolean) => (
    <>
      {screens.map(([to, word, Icon]) => (
        <Link key={to} to={to} className="nav" activeOptions={{ exact: false }}>
          <Icon size={20} stroke={1.7} aria-hidden /> {t(`nav.${word}`)}{word === 'caseload' && toDo > 0 ? <span className="badge num" aria-label={t('practice.to_do_count', { count: toDo })}>{count(toDo)}</span> : null}
        </Link>
      ))}
      {bottom ? <Link to="/settings" className="nav"><IconSettings size={20} stroke={1.7} aria-hidden /> {t('nav.settings')}</Link> : null}
    </>
  );
  return (
    <>
      <a className="skip" href="#main">{t('common.skip')}</a>
      <div className="frame" inert={locked}>
        <aside className="side">
          <Link to={firstScreen(account)} className="brand"><Mark /> Chartkey</Link>
          <nav aria-label={t('nav.label')}>{links(false)}</nav>
          <div className="side-end">
            <Link to="/settings" className="nav"><IconSettings size={20} stroke={1.7} aria-hidden /> {t('nav.settings')}</Link>
            <LockButton />
            <SignOutButton />
            <div className="who"><b><bdi>{account.name}</bdi></b><span>{account.email}</span></div>
          </div>
        </aside>
        <nav className="topbar" aria-label="Chartkey">
          <Link to={firstScreen(account)} className="brand"><Mark size={26} /> Chartkey</Link>
          <button type="button" className="nav" style={{ width: 'auto' }} onClick={() => void vault.lock()} aria-label={t('nav.lock')}><IconLock size={20} aria-hidden /></button>
        </nav>
        <main id="main" className="page" tabIndex={-1}>
          {online ? null : <div className="offline" role="status"><Note tone="warn"><p>{t('common.offline')}</p></Note></div>}
          <Whose />
          <Outlet />
        </main>
        <nav className="bottom" aria-label={t('nav.label')}>{links(true)}</nav>
      </div>
      {locked ? <Unlock account={account} /> : null}
    </>
  );
}

function LockButton() {
  const { t } = useTranslation();
  return <button type="button" className="nav" onClick={() => void vault.lock()}><IconLock size={20} stroke={1.7} aria-hidden /> {t('nav.lock')}</button>;
}

function SignOutButton() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    await vault.signOut();
    queries.clear();
    await navigate({ to: '/' });
  };
  return <button type="button" className="nav" onClick={() => void leave()}><IconLogout size={20} stroke={1.7} aria-hidden /> {t('nav.sign_out')}</button>;
}

/** Above the screen, so that nothing typed below is lost. */
function Unlock({ account }: { account: Account }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [password, setPassword] = useState('');
  const unlock = useMutation({ mutationFn: () => vault.unlock(password) });
  return (
    <div className="lock-cover">
      <form
        className="card lock-box" aria-labelledby="lock-title"
        onSubmit={(event) => { event.preventDefault(); unlock.mutate(); }}
      >
        <Mark size={40} />
        <h1 id="lock-title">{t('accounts.locked')}</h1>
        <p className="muted">{t('accounts.locked_more')}</p>
        <p className="small"><b><bdi>{account.name}</bdi></b><br /><span className="muted">{account.email}</span></p>
        <PasswordInput
          label={t('accounts.password')} autoComplete="current-password" autoFocus value={password}
          onChange={(event) => setPassword(event.currentTarget.value)} error={unlock.error ? why(unlock.error) : null}
        />
        <Button type="submit" size="md" fullWidth mt="md" loading={unlock.isPending} disabled={!password}>{t('accounts.unlock')}</Button>
        <Button variant="subtle" fullWidth mt={6} onClick={() => void vault.signOut()}>{t('accounts.other_account')}</Button>
      </form>
    </div>
  );
}
