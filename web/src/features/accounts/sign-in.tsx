/** Signing in: the password stays in the worker, the server sees half of what it becomes. */
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link, Navigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useVault, useWhy } from '../../lib/hooks.ts';
import { firstScreen } from '../../lib/screens.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { Entry } from '../../ui/entry.tsx';

export function SignIn() {
  const { t } = useTranslation();
  const why = useWhy();
  const state = useVault();
  const { next, why: reason } = useSearch({ from: '/sign-in' });
  // So that loading the page anew asks for the password alone.
  const [email, setEmail] = useState(() => sessionStorage.getItem('email') ?? '');
  const [password, setPassword] = useState('');
  const signIn = useMutation({ mutationFn: () => vault.signIn(email.trim(), password), onSuccess: () => sessionStorage.setItem('email', email.trim()) });
  useEffect(() => { document.title = `${t('accounts.sign_in')} · Chartkey`; }, [t]);
  if (state?.account) {
    const to = next ?? firstScreen(state.account);
    return <Navigate to={to} replace />;
  }
  return (
    <Entry>
      <h1>{t('accounts.sign_in')}</h1>
      <p className="muted">{t('accounts.sign_in_more')}</p>
      {reason === 'closed' ? <Note tone="good"><p>{t('accounts.closed')}</p></Note> : null}
      {reason === 'elsewhere' ? <Note tone="warn"><p>{t('accounts.ended_elsewhere')}</p></Note> : null}
      <form className="stack-s" style={{ marginTop: 24 }} onSubmit={(event) => { event.preventDefault(); signIn.mutate(); }}>
        {signIn.error ? <Note tone="bad"><p>{why(signIn.error)}</p></Note> : null}
        <TextInput label={t('accounts.email')} type="email" autoComplete="username" required withAsterisk={false} autoFocus={!email} value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        <PasswordInput label={t('accounts.password')} autoComplete="current-password" required withAsterisk={false} autoFocus={email !== ''} value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        <Button type="submit" size="md" mt="sm" loading={signIn.isPending}>{t('accounts.sign_in')}</Button>
      </form>
      <div className="between small" style={{ marginTop: 22 }}>
        <Link to="/recover">{t('accounts.lost_password')}</Link>
        <Link to="/sign-up" search={next ? { next } : {}}>{t('accounts.create')}</Link>
      </div>
    </Entry>
  );
}
