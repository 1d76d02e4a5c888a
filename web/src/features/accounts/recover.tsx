/** Coming back with the recovery kit: a new password, and a new kit. */
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { Entry } from '../../ui/entry.tsx';
import { Kit } from './kit.tsx';
import { MIN_LENGTH, passwordProblem } from './password.ts';

export function Recover() {
  const { t } = useTranslation();
  const why = useWhy();
  const navigate = useNavigate();
  const [kit, setKit] = useState<string | null>(null);
  useEffect(() => { document.title = `${t('accounts.recover')} · Chartkey`; }, [t]);
  const form = useForm({
    initialValues: { email: '', code: '', password: '' },
    validate: {
      email: (value) => (/^\S+@\S+\.\S+$/.test(value.trim()) ? null : t('errors.email')),
      code: (value) => (value.trim() ? null : t('errors.needed')),
      password: (value, values) => {
        const problem = passwordProblem(value, values.email);
        return problem ? t(`errors.password_${problem}`, { count: MIN_LENGTH }) : null;
      },
    },
  });
  const recover = useMutation({
    mutationFn: () => vault.recover(form.values.email.trim(), form.values.code.trim(), form.values.password),
    onSuccess: (done) => setKit(done.recovery_code),
  });
  if (kit) return <Entry><Kit code={kit} email={form.values.email} onKept={() => void navigate({ to: '/' })} /></Entry>;
  return (
    <Entry>
      <h1>{t('accounts.recover')}</h1>
      <p className="muted">{t('accounts.recover_more')}</p>
      <form className="stack-s" style={{ marginTop: 20 }} noValidate onSubmit={form.onSubmit(() => recover.mutate())}>
        {recover.error ? <Note tone="bad"><p>{why(recover.error)}</p></Note> : null}
        <TextInput label={t('accounts.email')} type="email" autoComplete="username" {...form.getInputProps('email')} />
        <TextInput label={t('accounts.recovery_code')} autoComplete="off" spellCheck={false} {...form.getInputProps('code')} />
        <PasswordInput label={t('accounts.new_password')} description={t('accounts.password_more', { count: MIN_LENGTH })} autoComplete="new-password" {...form.getInputProps('password')} />
        <Button type="submit" size="md" mt="sm" loading={recover.isPending}>{t('accounts.recover_do')}</Button>
      </form>
      <p className="small muted" style={{ marginTop: 20 }}>{t('accounts.recover_neither')}</p>
      <p className="small"><Link to="/sign-in">{t('accounts.sign_in')}</Link></p>
    </Entry>
  );
}
