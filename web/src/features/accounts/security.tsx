/** Password, recovery kit and devices. */
import { Button, Modal, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { away, moment } from '../../lib/format.ts';
import { useMe, useVault, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { browser } from './browser.ts';
import { ChangeKeys } from './change-keys.tsx';
import { Card, SettingsFrame } from './frame.tsx';
import { Kit } from './kit.tsx';
import { MIN_LENGTH, passwordProblem } from './password.ts';

export function Security() {
  const { account } = useMe();
  return <SettingsFrame><Password email={account.email} /><RenewKit email={account.email} /><ChangeKeys email={account.email} links={account.kind === 'patient'} /><Sessions /><WhereKeysAre /></SettingsFrame>;
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

/** The present kit and the password, for a new kit. It is shown until it is kept: there is no second look. */
function RenewKit({ email }: { email: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [code, setCode] = useState('');
  const [password, setPassword] = useState('');
  const [fresh, setFresh] = useState<string | null>(null);
  const [kept, setKept] = useState(false);
  const renew = useMutation({
    mutationFn: () => vault.renewKit(code.trim(), password),
    onSuccess: (made) => {
      setFresh(made.recovery_code);
      setKept(false);
      setCode('');
      setPassword('');
    },
  });
  useEffect(() => {
    if (!fresh) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [fresh]);
  const failure = renew.error instanceof VaultFailure ? renew.error.code : '';
  const ofPassword = failure.startsWith('session.') || failure === 'vault.password';
  const ofCode = failure.startsWith('recovery.');
  return (
    <Card title={t('safety.kit')} more={t('safety.kit_more')}>
      <form className="stack-s" onSubmit={(event) => { event.preventDefault(); renew.mutate(); }}>
        <input type="hidden" autoComplete="username" value={email} readOnly />
        <TextInput label={t('safety.kit_present')} description={t('safety.kit_present_more')} autoComplete="off" spellCheck={false} required withAsterisk={false} value={code} onChange={(event) => setCode(event.currentTarget.value)} error={ofCode ? why(renew.error) : null} />
        <PasswordInput label={t('safety.kit_password')} description={t('safety.kit_password_more')} autoComplete="current-password" required withAsterisk={false} value={password} onChange={(event) => setPassword(event.currentTarget.value)} error={ofPassword ? why(renew.error) : null} />
        {renew.error && !ofPassword && !ofCode ? <Note tone="bad"><p>{why(renew.error)}</p></Note> : null}
        {kept ? <Note tone="good"><p>{t('safety.kit_done')}</p></Note> : null}
        <div><Button type="submit" loading={renew.isPending}>{t('safety.kit_do')}</Button></div>
        <p className="small muted" style={{ margin: 0 }}>{t('safety.kit_lost')}</p>
      </form>
      <Modal opened={fresh !== null} onClose={() => undefined} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} size="lg" title={t('accounts.kit')} styles={{ header: { display: 'none' } }}>
        {fresh ? <Kit code={fresh} email={email} onKept={() => { setFresh(null); setKept(true); }} /> : null}
      </Modal>
    </Card>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  // Sign-ins elsewhere are not told of, only their ends.
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => ok(api.GET('/api/auth/sessions')), refetchInterval: 30_000, staleTime: 0 });
  const endOne = (id: string) => ok(api.DELETE('/api/auth/sessions/{id}', { params: { path: { id } } }));
  const renew = () => queries.invalidateQueries({ queryKey: ['sessions'] });
  const end = useMutation({ mutationFn: endOne, onSuccess: renew });
  const others = sessions.data?.items.filter((one) => !one.current) ?? [];
  return (
    <section className="card flush" aria-label={t('settings.sessions')}>
      <header className="between">
        <div className="grow"><h2>{t('settings.sessions')}</h2><p className="muted" style={{ margin: 0 }}>{t('safety.sessions_more')}</p></div>
        {others.length > 0 ? <Button size="compact-md" variant="default" onClick={() => setAsking(true)}>{t('safety.end_others')}</Button> : null}
      </header>
      {sessions.error ?? end.error ? <div style={{ padding: '0 24px 18px' }}><Note tone="bad"><p>{why(sessions.error ?? end.error)}</p></Note></div> : null}
      {sessions.isPending ? <Waiting /> : null}
      <ul className="list">
        {sessions.data?.items.map((one) => {
          const name = browser(one.device) || t('settings.session_unknown');
          return (
            <li key={one.id} className="line">
              <span>
                <span className="t">{name}</span> {one.current ? <Tag tone="good">{t('settings.session_here')}</Tag> : null} {one.assisted ? <Tag tone="warn">{t('safety.session_assisted')}</Tag> : null}
                <br /><span className="s">{[one.address, t('settings.session_seen', { when: away(one.last_seen_at) }), t('safety.session_signed_in', { when: moment(one.created_at) })].filter(Boolean).join(' · ')}</span>
              </span>
              {one.current ? <span /> : <Button size="compact-md" variant="default" aria-label={`${t('settings.session_end')}: ${name}, ${moment(one.created_at)}`} loading={end.isPending && end.variables === one.id} onClick={() => end.mutate(one.id)}>{t('settings.session_end')}</Button>}
            </li>
          );
        })}
      </ul>
      {asking ? (
        <Confirm
          title={t('safety.end_others_ask', { count: others.length })} act={t('safety.end_others')} onClose={() => setAsking(false)}
          doing={async () => { await Promise.all(others.map((one) => endOne(one.id))); }} onDone={() => void renew()}
        >
          <p style={{ margin: 0 }}>{t('safety.end_others_more')}</p>
        </Confirm>
      ) : null}
    </section>
  );
}

function WhereKeysAre() {
  const { t } = useTranslation();
  const state = useVault();
  return <Card title={t('settings.keys')}><p style={{ margin: 0 }}>{t(state?.shared ? 'settings.keys_shared' : 'settings.keys_alone')}</p></Card>;
}
