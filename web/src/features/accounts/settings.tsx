/** Who one is here, and how Chartkey looks. */
import { Button, SegmentedControl, Select, TextInput, useMantineColorScheme } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { chooseLanguage, type Language, LANGUAGES } from '../../lib/i18n.ts';
import { vault } from '../../lib/vault.ts';
import { Note, Tag } from '../../ui/pieces.tsx';
import { Card, SettingsFrame } from './frame.tsx';

export function Settings() {
  const { account } = useMe();
  return <SettingsFrame>{account.kind === 'patient' ? <Profile /> : <About />}<Look /></SettingsFrame>;
}

/** Providers and administrators: what an administrator confirmed is not changed here. */
function About() {
  const { t } = useTranslation();
  const { account } = useMe();
  const license = [account.license_number, account.license_country ? `(${account.license_country})` : ''].filter(Boolean).join(' ');
  const facts: [string, string | undefined][] = [
    [t('accounts.name'), account.name], [t('accounts.email'), account.email], [t('accounts.profession'), account.type], [t('accounts.license'), license], [t('safety.organization'), account.organization],
  ];
  return (
    <Card title={t('settings.profile')}>
      <dl className="facts">{facts.filter(([, value]) => value).map(([label, value]) => <div key={label}><dt>{label}</dt><dd><bdi>{value}</bdi></dd></div>)}</dl>
      {account.verification ? <div><Tag tone={account.verification === 'verified' ? 'good' : 'warn'}>{t(`admin.${account.verification}`)}</Tag></div> : null}
    </Card>
  );
}

function Profile() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const profile = useQuery({ queryKey: ['profile'], queryFn: () => ok(api.GET('/api/patients/profile')) });
  const [form, setForm] = useState({ name: '', date_of_birth: '', phone: '' });
  const { data } = profile;
  useEffect(() => {
    if (data) setForm({ name: data.name, date_of_birth: data.date_of_birth ?? '', phone: data.phone ?? '' });
  }, [data]);
  const save = useMutation({
    mutationFn: () => ok(api.PUT('/api/patients/profile', { body: form })),
    onSuccess: async () => {
      await vault.refreshAccount();
      await queries.invalidateQueries({ queryKey: ['profile'] });
    },
  });
  const field = (name: keyof typeof form) => ({ value: form[name], onChange: (event: { currentTarget: { value: string } }) => setForm({ ...form, [name]: event.currentTarget.value }) });
  return (
    <Card title={t('settings.profile')}>
      <form className="stack-s" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
        <TextInput label={t('accounts.name')} autoComplete="name" required withAsterisk={false} {...field('name')} />
        <TextInput label={t('settings.birth')} type="date" {...field('date_of_birth')} />
        <TextInput label={t('settings.phone')} type="tel" autoComplete="tel" {...field('phone')} />
        {save.error ? <Note tone="bad"><p>{why(save.error)}</p></Note> : null}
        {save.isSuccess ? <Note tone="good"><p>{t('common.saved')}</p></Note> : null}
        <div><Button type="submit" loading={save.isPending} disabled={!data}>{t('common.save')}</Button></div>
      </form>
    </Card>
  );
}

const IDLE = [1, 5, 10, 30];

function Look() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [idle, setIdle] = useState(localStorage.getItem('idle-minutes') ?? '10');
  return (
    <Card title={t('settings.look')}>
      <Select label={t('settings.language')} allowDeselect={false} value={i18n.language} data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))} onChange={(value) => value && void chooseLanguage(value as Language)} />
      <div>
        <div id="scheme" style={{ marginBottom: 6 }}>{t('settings.scheme')}</div>
        <SegmentedControl aria-labelledby="scheme" value={colorScheme} onChange={(value) => setColorScheme(value as 'auto' | 'light' | 'dark')} data={[{ value: 'auto', label: t('settings.scheme_auto') }, { value: 'light', label: t('settings.scheme_light') }, { value: 'dark', label: t('settings.scheme_dark') }]} />
      </div>
      <Select
        label={t('settings.idle')} allowDeselect={false} value={idle} data={IDLE.map((one) => ({ value: String(one), label: t('settings.idle_minutes', { count: one }) }))}
        onChange={(value) => {
          if (!value) return;
          setIdle(value);
          localStorage.setItem('idle-minutes', value);
          void vault.setIdle(Number(value));
        }}
      />
    </Card>
  );
}
