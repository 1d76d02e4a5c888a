/** The steps of a link's reader: closed, open, ended. */
import { Button, Modal, PasswordInput, TextInput } from '@mantine/core';
import { IconClockOff, IconDownload, IconLinkOff, IconLock, IconPrinter, IconShieldLock } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../lib/api.ts';
import { away, moment } from '../lib/format.ts';
import { chooseLanguage, type Language, LANGUAGES } from '../lib/i18n.ts';
import type { LinkAddress } from '../lib/link.ts';
import { vault } from '../lib/vault.ts';
import { Clinical } from '../ui/clinical.tsx';
import { Content, save } from '../ui/content.tsx';
import { Empty, Mark, Note, Tag, Waiting } from '../ui/pieces.tsx';
import { type OpenedLink, type RecordContent, VaultFailure } from '../vault-worker/api.ts';

type State = 'closed' | 'opening' | 'expired' | 'revoked' | 'unknown';

function endOf(failure: VaultFailure): State | null {
  const { status, extra, code } = failure.failure;
  if (status === 410) return String(extra?.status ?? '').toUpperCase() === 'REVOKED' || code.includes('revoked') ? 'revoked' : 'expired';
  return status === 404 ? 'unknown' : null;
}

export function Viewer({ address }: { address: LinkAddress }) {
  const { t } = useTranslation();
  const [state, setState] = useState<State>('closed');
  const [reader, setReader] = useState('');
  const [passcode, setPasscode] = useState('');
  const [wants, setWants] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [opened, setOpened] = useState<OpenedLink | null>(null);
  useEffect(() => { document.title = `${t('viewer.title')} · Chartkey`; }, [t]);

  const failed = (why: unknown) => {
    setState('closed');
    if (!(why instanceof VaultFailure)) return setProblem(t('errors.unknown'));
    const end = endOf(why);
    if (end) return setState(end);
    const { status, code, extra } = why.failure;
    if (code === 'server.unreachable') return setProblem(t('viewer.unreachable'));
    if (code.includes('passcode') || extra?.remainingAttempts !== undefined) {
      const first = !wants;
      setWants(true);
      const left = Number(extra?.remainingAttempts);
      return setProblem(first || Number.isNaN(left) ? null : t('viewer.passcode_left', { count: left }));
    }
    if (status === 401 || code.startsWith('vault')) return setProblem(t('viewer.bad_key'));
    return setProblem(status === 429 ? t('errors.slow_down') : why.failure.detail ?? t('errors.unknown'));
  };
  const open = async () => {
    if (!address.key) return;
    setState('opening');
    setProblem(null);
    try {
      // Asking how it stands counts nothing, and spends no attempt at a passcode.
      const now = await call<{ status: string; needsPasscode?: boolean }>('GET', `/api/records/shared/${encodeURIComponent(address.token)}`);
      if (now.needsPasscode && !passcode) {
        setWants(true);
        setState('closed');
        return;
      }
      setOpened(await vault.openLink(address.token, address.key, reader.trim(), passcode || null));
    } catch (why) {
      failed(why);
    }
  };
  // What is open is closed when it ends, without waiting for the next click.
  useEffect(() => {
    if (!opened) return;
    const look = async () => {
      try {
        const now = await call<{ status?: string }>('GET', `/api/records/shared/${encodeURIComponent(address.token)}`);
        if (now.status && now.status !== 'ACTIVE') throw new VaultFailure({ code: 'link.ended', status: 410, extra: now });
      } catch (why) {
        const end = why instanceof VaultFailure ? endOf(why) : null;
        if (!end) return;
        setOpened(null);
        setState(end);
      }
    };
    const timer = setInterval(() => void look(), 8000);
    return () => clearInterval(timer);
  }, [opened, address.token]);

  if (opened) return <Open link={opened} />;
  if (!address.key) return <Closed><Empty icon={IconLinkOff} title={t('viewer.no_key')}><p>{t('viewer.no_key_more')}</p></Empty></Closed>;
  if (state === 'unknown') return <Closed><Empty icon={IconLinkOff} title={t('viewer.unknown')}><p>{t('viewer.unknown_more')}</p></Empty></Closed>;
  if (state === 'expired' || state === 'revoked') return <Closed><Ended how={state} token={address.token} /></Closed>;
  return (
    <Closed>
      <IconShieldLock size={40} stroke={1.2} color="var(--accent)" aria-hidden />
      <h1>{t('viewer.title')}</h1>
      <p className="muted">{t('viewer.more')}</p>
      {state === 'opening' ? <Waiting what={t('viewer.opening')} /> : (
        <form className="stack-s" onSubmit={(event) => { event.preventDefault(); void open(); }}>
          <TextInput size="md" label={t('viewer.who')} description={t('viewer.who_more')} maxLength={80} required withAsterisk={false} autoComplete="name" value={reader} onChange={(event) => setReader(event.currentTarget.value)} />
          {wants ? <PasswordInput size="md" label={t('viewer.passcode')} description={t('viewer.passcode_more')} autoComplete="off" autoFocus required withAsterisk={false} value={passcode} onChange={(event) => setPasscode(event.currentTarget.value)} /> : null}
          {problem ? <Note tone="bad"><p>{problem}</p></Note> : null}
          <Button type="submit" size="md" leftSection={<IconLock size={18} />}>{t('viewer.open')}</Button>
        </form>
      )}
    </Closed>
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

function Languages() {
  const { t, i18n } = useTranslation();
  return (
    <select className="plain-select no-print" aria-label={t('viewer.language')} value={i18n.language} onChange={(event) => void chooseLanguage(event.currentTarget.value as Language)}>
      {Object.entries(LANGUAGES).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
    </select>
  );
}

function Ended({ how, token }: { how: 'expired' | 'revoked'; token: string }) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState<'no' | 'yes' | 'failed'>('no');
  const ask = () => call('POST', `/api/records/shared/${encodeURIComponent(token)}/ask`, {}).then(() => setAsked('yes'), () => setAsked('failed'));
  return (
    <Empty icon={IconClockOff} title={t(`viewer.${how}`)}>
      <p>{t(`viewer.${how}_more`)}</p>
      {asked === 'yes' ? <Note tone="good"><p>{t('viewer.asked')}</p></Note> : <Button variant="default" onClick={() => void ask()}>{t('viewer.ask')}</Button>}
      {asked === 'failed' ? <p role="alert" className="small" style={{ marginTop: 12 }}>{t('viewer.unreachable')}</p> : null}
    </Empty>
  );
}

function Open({ link }: { link: OpenedLink }) {
  const { t } = useTranslation();
  const [content, setContent] = useState<RecordContent | null>(null);
  const [failed, setFailed] = useState(false);
  const read = (id: string) => vault.readShared(id).then(setContent, () => setFailed(true));
  const download = async () => save('chartkey-record.json', await vault.exportShared(), 'application/fhir+json');
  return (
    <div className="viewer-open">
      <header className="viewer-bar">
        <span className="brand"><Mark /> Chartkey</span>
        <div className="row no-print">
          <Tag tone="good"><IconShieldLock size={15} aria-hidden /> {t('viewer.until', { when: away(link.expires_at) })}</Tag>
          <Languages />
          <Button size="compact-md" variant="default" leftSection={<IconPrinter size={17} />} onClick={() => window.print()}>{t('viewer.print')}</Button>
          {link.may_download ? <Button size="compact-md" leftSection={<IconDownload size={17} />} onClick={() => void download()}>{t('viewer.download')}</Button> : null}
        </div>
      </header>
      <main className="page">
        <div className="head"><div className="grow">
          <h1><bdi>{link.patient_name ?? link.document.patient?.name ?? t('viewer.title')}</bdi></h1>
          <p>{[link.recipient_name ? t('viewer.for', { name: link.recipient_name }) : '', t('viewer.until', { when: moment(link.expires_at) }), link.types.map((type) => t(`types.${type}`)).join(', ')].filter(Boolean).join(' · ')}</p>
        </div></div>
        <div className="stack">
          {link.message ? <div className="note"><p style={{ whiteSpace: 'pre-wrap' }}><b>{t('viewer.message')}:</b> {link.message}</p></div> : null}
          {failed ? <Note tone="bad"><p>{t('viewer.unreachable')}</p></Note> : null}
          <Clinical document={link.document} onRecord={(id) => void read(id)} />
          <p className="small muted">{t('viewer.read_only')} {t('viewer.sealed')}</p>
        </div>
      </main>
      <Modal opened={content !== null} onClose={() => setContent(null)} size="xl" title={<span className="modal-title">{content?.header.title ?? ''}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {content ? <Content content={content} /> : null}
      </Modal>
    </div>
  );
}
