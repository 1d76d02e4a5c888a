/** The steps of a link's reader: closed, open, ended. */
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { IconClockOff, IconClockPlay, IconLinkOff, IconLock, IconShieldLock } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../lib/api.ts';
import { day, moment } from '../lib/format.ts';
import { fetchFiles } from '../lib/health-link.ts';
import { type LinkAddress, OTHERS, readAddress } from '../lib/link.ts';
import { vault } from '../lib/vault.ts';
import { Empty, Mark, Note, Waiting } from '../ui/pieces.tsx';
import { type OpenedLink, VaultFailure } from '../vault-worker/api.ts';
import { Languages } from './languages.tsx';
import { Open } from './open.tsx';

type End = 'expired' | 'revoked' | 'unknown' | 'ended_other';
type State = { is: 'closed' | 'opening' } | { is: 'early'; from: string } | { is: End };

interface LinkState { status?: string; needsPasscode?: boolean; validFrom?: string }

const stateOf = (token: string) => call<LinkState>('GET', `/api/records/shared/${encodeURIComponent(token)}`);

function endOf(failure: VaultFailure): End | null {
  const { status, extra, code } = failure.failure;
  if (code === 'shl.ended') return 'ended_other';
  if (status === 410) return String(extra?.status ?? '').toUpperCase() === 'REVOKED' || code.includes('revoked') ? 'revoked' : 'expired';
  return status === 404 ? 'unknown' : null;
}

export function Viewer({ address: given }: { address: LinkAddress }) {
  const { t } = useTranslation();
  const [address, setAddress] = useState(given);
  const [state, setState] = useState<State>({ is: 'closed' });
  const [opened, setOpened] = useState<OpenedLink | null>(null);
  useEffect(() => { document.title = `${t('viewer.title')} · Chartkey`; }, [t]);
  const { other, key, token } = address;

  // What is open is closed when it ends, without waiting for the next click.
  useEffect(() => {
    if (!opened || opened.other) return;
    const look = async () => {
      try {
        const now = await stateOf(token);
        if (now.status && now.status !== 'ACTIVE') throw new VaultFailure({ code: 'link.ended', status: 410, extra: { ...now } });
      } catch (why) {
        const end = why instanceof VaultFailure ? endOf(why) : null;
        if (!end) return;
        setOpened(null);
        setState({ is: end });
        await vault.closeLink();
      }
    };
    const timer = setInterval(() => void look(), 8000);
    return () => clearInterval(timer);
  }, [opened, token]);

  if (opened) return <Open link={opened} onNews={setOpened} />;
  if (!key && !other) {
    return (
      <Closed>
        <Empty icon={IconLinkOff} title={t(given.token === 'shl' ? 'viewer.paste' : 'viewer.no_key')}>
          <p>{t(given.token === 'shl' ? 'viewer.paste_more' : 'viewer.no_key_more')}</p>
          <Paste onLink={setAddress} />
        </Empty>
      </Closed>
    );
  }
  if (state.is === 'unknown') return <Closed><Empty icon={IconLinkOff} title={t('viewer.unknown')}><p>{t('viewer.unknown_more')}</p></Empty></Closed>;
  if (state.is === 'ended_other') return <Closed><Empty icon={IconClockOff} title={t('viewer.ended_other')}><p>{t('viewer.ended_other_more', { host: other?.host ?? '' })}</p></Empty></Closed>;
  if (state.is === 'expired' || state.is === 'revoked') return <Closed><Ended how={state.is} token={token} /></Closed>;
  if (state.is === 'early') {
    return (
      <Closed><Empty icon={IconClockPlay} title={t('viewer.early')}>
        <p>{t('viewer.early_more', { when: moment(state.from) })}</p>
        <Button variant="default" onClick={() => setState({ is: 'closed' })}>{t('common.again')}</Button>
      </Empty></Closed>
    );
  }
  return (
    <Closed>
      <IconShieldLock size={40} stroke={1.2} color="var(--accent)" aria-hidden />
      <h1>{t('viewer.title')}</h1>
      {other ? (
        <>
          {other.label ? <p style={{ fontWeight: 600, margin: '0 0 6px' }}><bdi>{other.label}</bdi></p> : null}
          <p className="muted">{t('viewer.other_more', { host: other.host })}{other.expires_at ? ` ${t('viewer.other_until', { when: day(other.expires_at) })}` : ''}</p>
        </>
      ) : <p className="muted">{t('viewer.more')}</p>}
      <Unlock address={address} waiting={state.is === 'opening'} onState={setState} onOpened={setOpened} />
    </Closed>
  );
}

interface Unlocking { address: LinkAddress; waiting: boolean; onState: (state: State) => void; onOpened: (link: OpenedLink) => void }

/** Who reads, the passcode where there is one, and Open. What was typed stays while it opens. */
function Unlock({ address, waiting, onState, onOpened }: Unlocking) {
  const { t } = useTranslation();
  const [reader, setReader] = useState('');
  const [passcode, setPasscode] = useState('');
  const [wants, setWants] = useState(address.other?.needs_passcode ?? false);
  const [problem, setProblem] = useState<string | null>(null);

  const failed = (why: unknown) => {
    onState({ is: 'closed' });
    if (!(why instanceof VaultFailure)) return setProblem(t('errors.unknown'));
    const end = endOf(why);
    if (end) return onState({ is: end });
    const { status, code, extra, detail } = why.failure;
    if (code === 'server.unreachable') return setProblem(t('viewer.unreachable'));
    if (code === 'shl.unreachable') return setProblem(t('viewer.unreachable_other', { host: address.other?.host ?? '' }));
    if (code.includes('passcode') || extra?.remainingAttempts !== undefined) {
      const first = !wants;
      setWants(true);
      const left = Number(extra?.remainingAttempts);
      return setProblem(first ? null : Number.isNaN(left) ? t('viewer.passcode_wrong') : t('viewer.passcode_left', { count: left }));
    }
    if (code.startsWith('jwe') || code.startsWith('shl.malformed') || code.startsWith('fhir')) return setProblem(t('viewer.unreadable_other'));
    if (code === 'shl.too_large') return setProblem(t('viewer.too_large_other'));
    if (status === 401 || code.startsWith('vault')) return setProblem(t('viewer.bad_key'));
    return setProblem(status === 429 ? t('errors.slow_down') : detail ?? t('errors.unknown'));
  };
  const open = async () => {
    onState({ is: 'opening' });
    setProblem(null);
    const name = reader.trim();
    try {
      if (address.other) return onOpened(await vault.openHealthLink(address.other.text, await fetchFiles(address.other, name, passcode || null)));
      // Asking how it stands counts nothing, and spends no attempt at a passcode.
      const now = await stateOf(address.token);
      if (now.validFrom) return onState({ is: 'early', from: now.validFrom });
      if (now.needsPasscode && !passcode) {
        setWants(true);
        return onState({ is: 'closed' });
      }
      onOpened(await vault.openLink(address.token, address.key ?? '', name, passcode || null));
    } catch (why) {
      failed(why);
    }
  };
  if (waiting) return <Waiting what={t('viewer.opening')} />;
  return (
    <form className="stack-s" onSubmit={(event) => { event.preventDefault(); void open(); }}>
      <TextInput size="md" label={t('viewer.who')} description={t(address.other ? 'viewer.who_more_other' : 'viewer.who_more')} maxLength={80} required withAsterisk={false} autoComplete="name" value={reader} onChange={(event) => setReader(event.currentTarget.value)} />
      {wants ? <PasswordInput size="md" label={t('viewer.passcode')} description={t('viewer.passcode_more')} autoComplete="off" autoFocus={!address.other} required withAsterisk={false} value={passcode} onChange={(event) => setPasscode(event.currentTarget.value)} /> : null}
      {problem ? <Note tone="bad"><p>{problem}</p></Note> : null}
      <Button type="submit" size="md" leftSection={<IconLock size={18} />}>{t('viewer.open')}</Button>
    </form>
  );
}

/** A link that came cut off, or on paper: it can be put in whole. */
function Paste({ onLink }: { onLink: (address: LinkAddress) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const take = () => {
    const [before = '', hash = ''] = text.trim().split(/#(.*)/s);
    const path = /\/records\/shared\/[\w-]{43}$/.exec(before)?.[0] ?? OTHERS;
    const found = readAddress(path, `#${hash || before}`, location.origin);
    setWrong(!found.key && !found.other);
    if (found.other && location.pathname !== OTHERS) location.assign(`${OTHERS}#${found.other.text}`);
    else if (found.key || found.other) onLink(found);
  };
  return (
    <form className="stack-s" style={{ textAlign: 'start' }} onSubmit={(event) => { event.preventDefault(); take(); }}>
      <TextInput label={t('viewer.paste_label')} value={text} autoComplete="off" onChange={(event) => setText(event.currentTarget.value)} error={wrong ? t('viewer.paste_wrong') : null} />
      <div><Button type="submit" variant="default" disabled={!text.trim()}>{t('viewer.paste_do')}</Button></div>
    </form>
  );
}

function Closed({ children }: { children: ReactNode }) {
  return (
    <div className="viewer-closed">
      <header><span className="brand"><Mark /> Chartkey</span><Languages /></header>
      <main className="card">{children}</main>
    </div>
  );
}

function Ended({ how, token }: { how: 'expired' | 'revoked'; token: string }) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState<'no' | 'asking' | 'yes' | 'failed'>('no');
  const ask = () => {
    setAsked('asking');
    void call('POST', `/api/records/shared/${encodeURIComponent(token)}/ask`, {}).then(() => setAsked('yes'), () => setAsked('failed'));
  };
  return (
    <Empty icon={IconClockOff} title={t(`viewer.${how}`)}>
      <p>{t(`viewer.${how}_more`)}</p>
      {asked === 'yes' ? <Note tone="good"><p>{t('viewer.asked')}</p></Note> : <Button variant="default" loading={asked === 'asking'} onClick={ask}>{t('viewer.ask')}</Button>}
      {asked === 'failed' ? <p role="alert" className="small" style={{ marginTop: 12 }}>{t('viewer.unreachable')}</p> : null}
    </Empty>
  );
}
