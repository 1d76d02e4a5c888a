/** One's account: profile, password, devices, language, and whether the server may help. */
import { Button, PasswordInput, SegmentedControl, Select, Switch, TextInput, useMantineColorScheme } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { away } from '../../lib/format.ts';
import { useMe, useVault, useWhy } from '../../lib/hooks.ts';
import { chooseLanguage, type Language, LANGUAGES } from '../../lib/i18n.ts';
import { vault } from '../../lib/vault.ts';
import { Head, Note, Tag } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';
import { MIN_LENGTH, passwordProblem } from './password.ts';

function Card({ title, more, children }: { title: string; more?: string; children: ReactNode }) {
  return <section className="card"><h2>{title}</h2>{more ? <p className="muted" style={{ margin: '0 0 14px' }}>{more}</p> : null}<div className="stack-s" style={{ marginTop: 10, maxWidth: 560 }}>{children}</div></section>;
}

export function Settings() {
  const { t } = useTranslation();
  const { account } = useMe();
  return (
    <>
      <Head title={t('settings.title')}>{t('settings.more')}</Head>
      <div className="stack">
        <Unverified account={account} />
        {account.kind === 'patient' ? <Profile /> : null}
        <Look />
        <Password email={account.email} />
        <Sessions />
        {account.kind === 'patient' ? <Assisted /> : null}
        <WhereKeysAre />
      </div>
    </>
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

function Password({ email }: { email: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [tried, setTried] = useState(false);
  const problem = passwordProblem(next, email);
  const change = useMutation({ mutationFn: () => vault.changePassword(current, next), onSuccess: () => { setCurrent(''); setNext(''); setTried(false); } });
  return (
    <Card title={t('settings.password')} more={t('settings.password_more')}>
      <form className="stack-s" onSubmit={(event) => { event.preventDefault(); setTried(true); if (!problem) change.mutate(); }}>
        <input type="hidden" autoComplete="username" value={email} readOnly />
        <PasswordInput label={t('accounts.current_password')} autoComplete="current-password" required withAsterisk={false} value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
        <PasswordInput label={t('accounts.new_password')} description={t('accounts.password_more', { count: MIN_LENGTH })} autoComplete="new-password" required withAsterisk={false} value={next} onChange={(event) => setNext(event.currentTarget.value)} error={tried && problem ? t(`errors.password_${problem}`, { count: MIN_LENGTH }) : null} />
        {change.error ? <Note tone="bad"><p>{why(change.error)}</p></Note> : null}
        {change.isSuccess && !next ? <Note tone="good"><p>{t('settings.password_done')}</p></Note> : null}
        <div><Button type="submit" loading={change.isPending}>{t('settings.password_do')}</Button></div>
      </form>
    </Card>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => ok(api.GET('/api/auth/sessions')) });
  const end = useMutation({
    mutationFn: (id: string) => ok(api.DELETE('/api/auth/sessions/{id}', { params: { path: { id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['sessions'] }),
  });
  return (
    <section className="card flush">
      <header><h2>{t('settings.sessions')}</h2></header>
      {sessions.error || end.error ? <div style={{ padding: '0 24px 18px' }}><Note tone="bad"><p>{why(sessions.error ?? end.error)}</p></Note></div> : null}
      <ul className="list">
        {sessions.data?.items.map((one) => (
          <li key={one.id} className="line">
            <span><span className="t">{browser(one.device) || t('settings.session_unknown')}</span> {one.current ? <Tag tone="good">{t('settings.session_here')}</Tag> : null}<br /><span className="s">{[one.address, t('settings.session_seen', { when: away(one.last_seen_at) })].filter(Boolean).join(' · ')}</span></span>
            {one.current ? <span /> : <Button size="compact-md" variant="default" onClick={() => end.mutate(one.id)}>{t('settings.session_end')}</Button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What a browser calls itself, in a few words. */
function browser(agent: string | null | undefined): string {
  if (!agent) return '';
  const name = /(Firefox|Edg|OPR|Chrome|Safari)\/[\d.]+/.exec(agent.replace('HeadlessChrome', 'Chrome'))?.[1];
  const system = /(Windows|Macintosh|iPhone|iPad|Android|Linux)/.exec(agent)?.[1];
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', Macintosh: 'Mac' };
  return [name, system].map((one) => (one ? names[one] ?? one : null)).filter(Boolean).join(' · ') || agent.slice(0, 60);
}

function Assisted() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const profile = useQuery({ queryKey: ['profile'], queryFn: () => ok(api.GET('/api/patients/profile')) });
  const set = useMutation({ mutationFn: (on: boolean) => ok(api.PUT('/api/patients/profile', { body: { assisted_access: on } })), onSuccess: () => queries.invalidateQueries({ queryKey: ['profile'] }) });
  return (
    <Card title={t('settings.assisted')} more={t('settings.assisted_more')}>
      <Switch label={t('settings.assisted_on')} checked={profile.data?.assisted_access ?? false} disabled={!profile.data || set.isPending} onChange={(event) => set.mutate(event.currentTarget.checked)} />
      {set.error ? <Note tone="bad"><p>{why(set.error)}</p></Note> : null}
    </Card>
  );
}

function WhereKeysAre() {
  const { t } = useTranslation();
  const state = useVault();
  return <Card title={t('settings.keys')}><p style={{ margin: 0 }}>{t(state?.shared ? 'settings.keys_shared' : 'settings.keys_alone')}</p></Card>;
}
