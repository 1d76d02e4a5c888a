/** Opening an account: the form, then the recovery kit, then in. */
import { Button, Checkbox, PasswordInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { Entry } from '../../ui/entry.tsx';
import { Kit } from './kit.tsx';
import { MIN_LENGTH, passwordProblem } from './password.ts';

const EMAIL = /^\S+@\S+\.\S+$/;

export function SignUp() {
  return <Form provider={false} />;
}

export function SignUpProvider() {
  return <Form provider />;
}

function Form({ provider }: { provider: boolean }) {
  const { t } = useTranslation();
  const why = useWhy();
  const navigate = useNavigate();
  const { next } = useSearch({ strict: false });
  const [kit, setKit] = useState<string | null>(null);
  useEffect(() => { document.title = `${t('accounts.create')} · Chartkey`; }, [t]);
  const form = useForm({
    initialValues: { name: '', email: '', password: '', date_of_birth: '', type: '', license_number: '', license_country: '', organization: '', understood: false },
    validate: {
      name: (value) => (value.trim() ? null : t('errors.needed')),
      email: (value) => (EMAIL.test(value.trim()) ? null : t('errors.email')),
      password: (value, values) => {
        const problem = passwordProblem(value, values.email);
        return problem ? t(`errors.password_${problem}`, { count: MIN_LENGTH }) : null;
      },
      type: (value) => (!provider || value.trim() ? null : t('errors.needed')),
      license_number: (value) => (!provider || value.trim() ? null : t('errors.needed')),
      license_country: (value) => (!provider || /^[A-Za-z]{2}$/.test(value.trim()) ? null : t('errors.country')),
      understood: (value) => (value ? null : t('errors.understood')),
    },
  });
  const create = useMutation({
    mutationFn: () => {
      const { name, email, password, date_of_birth, type, license_number, license_country, organization } = form.values;
      const person = { email: email.trim(), password, name: name.trim() };
      return provider
        ? vault.registerProvider({ ...person, type: type.trim(), license_number: license_number.trim(), license_country: license_country.trim().toUpperCase(), organization: organization.trim() || null })
        : vault.registerPatient({ ...person, date_of_birth: date_of_birth || null });
    },
    onSuccess: (made) => setKit(made.recovery_code),
    onError: (failure) => {
      if (!(failure instanceof VaultFailure)) return;
      for (const one of failure.failure.errors ?? []) if (one.field in form.values) form.setFieldError(one.field, one.message);
    },
  });
  if (kit) {
    return (
      <Entry>
        <Kit code={kit} email={form.values.email} onKept={() => void navigate({ to: next ?? (provider ? '/patients' : '/home') })} />
      </Entry>
    );
  }
  return (
    <Entry>
      <h1>{t(provider ? 'accounts.create_provider' : 'accounts.create')}</h1>
      <p className="muted">{t(provider ? 'accounts.create_provider_more' : 'accounts.create_more')}</p>
      <form className="stack-s" style={{ marginTop: 20 }} noValidate onSubmit={form.onSubmit(() => create.mutate())}>
        {create.error ? <Note tone="bad"><p>{why(create.error)}</p></Note> : null}
        <TextInput label={t('accounts.name')} autoComplete="name" {...form.getInputProps('name')} />
        <TextInput label={t('accounts.email')} type="email" autoComplete="username" {...form.getInputProps('email')} />
        <PasswordInput label={t('accounts.password')} description={t('accounts.password_more', { count: MIN_LENGTH })} autoComplete="new-password" {...form.getInputProps('password')} />
        {provider ? (
          <>
            <TextInput label={t('accounts.profession')} placeholder={t('accounts.profession_example')} {...form.getInputProps('type')} />
            <div className="cols" style={{ gap: 12, gridTemplateColumns: '2fr 1fr' }}>
              <TextInput label={t('accounts.license')} {...form.getInputProps('license_number')} />
              <TextInput label={t('accounts.country')} placeholder="US" maxLength={2} {...form.getInputProps('license_country')} />
            </div>
            <TextInput label={t('accounts.organization')} autoComplete="organization" {...form.getInputProps('organization')} />
          </>
        ) : (
          <TextInput label={t('accounts.birth')} type="date" autoComplete="bday" {...form.getInputProps('date_of_birth')} />
        )}
        <Checkbox mt="xs" label={t('accounts.understood')} {...form.getInputProps('understood', { type: 'checkbox' })} />
        <Button type="submit" size="md" mt="sm" loading={create.isPending}>{t('accounts.create')}</Button>
      </form>
      <p className="small" style={{ marginTop: 20 }}>{t('accounts.have_one')} <Link to="/sign-in" search={next ? { next } : {}}>{t('accounts.sign_in')}</Link></p>
    </Entry>
  );
}
