/**
 * Sharing a record: with whom, what, for how long; then exactly what they will
 * see; then the link, its code and a mail, or a grant to a provider.
 */
import { Autocomplete, Button, Checkbox, Modal, NumberInput, PasswordInput, SegmentedControl, Switch, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconCheck, IconCopy, IconFingerprint, IconMail } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { renderSVG } from 'uqr';
import { count, day } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { findProviders, type Provider } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import type { Kind, MadeLink, RecordType } from '../../vault-worker/api.ts';

export interface AvailableType { id: RecordType; label: string; count: number }

/** What somebody decided to share. */
export interface ShareData {
  way: 'link' | 'account';
  recipientName: string;
  recipientEmail: string | null;
  provider: Provider | null;
  recordTypes: RecordType[];
  includeSensitive: Kind[];
  expiresInDays: number;
  allowDownload: boolean;
  passcode: string | null;
  message: string | null;
  sendEmail: boolean;
}

export interface RecordSharingProps {
  userProfile: { id: string; name: string; email: string };
  availableRecordTypes: AvailableType[];
  /** How many records of a type have kinds, and which. */
  sensitive?: { type: RecordType; kind: Kind; count: number }[];
  /** What a recipient of a type would see, with these kinds chosen: how many, and the newest titles. */
  preview?: (type: RecordType, kinds: Kind[]) => { count: number; titles: string[] };
  onShare: (shareData: ShareData) => Promise<MadeLink | null>;
  opened: boolean;
  onClose: () => void;
}

const PRESETS: Record<'dietician' | 'specialist' | 'emergency', { types: RecordType[]; days: number; download: boolean }> = {
  dietician: { types: ['conditions', 'allergies', 'prescriptions', 'lab-results', 'vitals', 'diet', 'care-plans'], days: 90, download: false },
  specialist: { types: ['conditions', 'allergies', 'prescriptions', 'lab-results', 'vitals', 'procedures', 'imaging', 'documents', 'encounters', 'vaccines'], days: 30, download: true },
  emergency: { types: ['conditions', 'allergies', 'prescriptions', 'vaccines', 'procedures'], days: 365, download: false },
};
const LENGTHS = [7, 30, 90];

export function RecordSharing({ userProfile, availableRecordTypes, sensitive = [], preview, onShare, opened, onClose }: RecordSharingProps) {
  const { t } = useTranslation();
  const why = useWhy();
  const empty: ShareData = {
    way: 'link', recipientName: '', recipientEmail: null, provider: null, recordTypes: [], includeSensitive: [], expiresInDays: 30,
    allowDownload: false, passcode: null, message: null, sendEmail: false,
  };
  const [data, setData] = useState<ShareData>(empty);
  const [step, setStep] = useState<'choose' | 'look' | 'made'>('choose');
  const [tried, setTried] = useState(false);
  const set = (part: Partial<ShareData>) => setData((before) => ({ ...before, ...part }));
  const share = useMutation({ mutationFn: () => onShare(data), onSuccess: () => setStep('made') });
  const problems = {
    types: data.recordTypes.length === 0 ? t('shares.choose_type') : null,
    name: data.way === 'link' && !data.recipientName.trim() ? t('shares.needs_name') : null,
    provider: data.way === 'account' && !data.provider ? t('shares.choose_provider') : null,
    days: Number.isInteger(data.expiresInDays) && data.expiresInDays >= 1 && data.expiresInDays <= 365 ? null : t('shares.days_range'),
    email: data.recipientEmail && !/^\S+@\S+\.\S+$/.test(data.recipientEmail) ? t('errors.email') : null,
  };
  const shown = tried ? problems : { types: null, name: null, provider: null, days: null, email: null };
  const look = () => {
    setTried(true);
    if (Object.values(problems).every((one) => one === null)) setStep('look');
  };
  const close = () => {
    onClose();
    if (step === 'made') {
      setData(empty);
      setStep('choose');
      setTried(false);
      share.reset();
    }
  };
  const until = day(new Date(Date.now() + data.expiresInDays * 86_400_000).toISOString());
  return (
    <Modal
      opened={opened} onClose={close} size="lg" closeOnClickOutside={false} closeButtonProps={{ 'aria-label': t('common.close') }}
      title={<span className="modal-title">{t(step === 'made' ? 'shares.made' : step === 'look' ? 'shares.preview' : 'shares.dialog')}</span>}
    >
      {step === 'choose' ? (
        <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); look(); }}>
          <WithWhom data={data} set={set} problems={shown} />
          <What data={data} set={set} problem={shown.types} types={availableRecordTypes} sensitive={sensitive} />
          <HowLong data={data} set={set} problem={shown.days} />
          <div className="row" style={{ justifyContent: 'flex-end' }}>
            <Button variant="default" onClick={close}>{t('common.cancel')}</Button>
            <Button type="submit">{t('shares.next')}</Button>
          </div>
        </form>
      ) : step === 'look' ? (
        <Look data={data} types={availableRecordTypes} preview={preview} until={until} sender={userProfile.name}>
          {share.error ? <Note tone="bad"><p>{why(share.error)}</p></Note> : null}
          <div className="row" style={{ justifyContent: 'flex-end' }}>
            <Button variant="default" onClick={() => setStep('choose')}>{t('shares.edit')}</Button>
            <Button loading={share.isPending} onClick={() => share.mutate()}>{t('shares.confirm')}</Button>
          </div>
        </Look>
      ) : (
        <Made made={share.data ?? null} name={data.provider?.name ?? data.recipientName} email={data.recipientEmail} until={until} onDone={close} />
      )}
    </Modal>
  );
}

type Set = (part: Partial<ShareData>) => void;

function Part({ title, children }: { title: string; children: ReactNode }) {
  return <fieldset className="part"><legend>{title}</legend>{children}</fieldset>;
}

function WithWhom({ data, set, problems }: { data: ShareData; set: Set; problems: { name: string | null; provider: string | null; email: string | null } }) {
  const { t } = useTranslation();
  return (
    <Part title={t('shares.with')}>
      <SegmentedControl
        fullWidth value={data.way} onChange={(way) => set({ way: way as ShareData['way'] })} aria-label={t('shares.with')}
        data={[{ value: 'link', label: t('shares.by_link') }, { value: 'account', label: t('shares.by_account') }]}
      />
      <p className="small muted" style={{ margin: 0 }}>{t(data.way === 'link' ? 'shares.by_link_more' : 'shares.by_account_more')}</p>
      {data.way === 'link' ? (
        <div className="cols" style={{ gap: 12, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 220px), 1fr))' }}>
          <TextInput label={t('shares.recipient')} value={data.recipientName} onChange={(event) => set({ recipientName: event.currentTarget.value })} error={problems.name} />
          <TextInput label={t('shares.recipient_email')} type="email" value={data.recipientEmail ?? ''} onChange={(event) => set({ recipientEmail: event.currentTarget.value.trim() || null })} error={problems.email} />
        </div>
      ) : <FindProvider provider={data.provider} onFound={(provider) => set({ provider })} problem={problems.provider} />}
    </Part>
  );
}

function FindProvider({ provider, onFound, problem }: { provider: Provider | null; onFound: (provider: Provider | null) => void; problem: string | null }) {
  const { t } = useTranslation();
  const [text, setText] = useState(provider?.name ?? '');
  const [asked] = useDebouncedValue(text.trim(), 200);
  const found = useQuery({ queryKey: ['providers', asked], queryFn: () => findProviders(asked), enabled: asked.length >= 2 });
  const describe = (one: Provider) => [one.name, one.type, one.organization].filter(Boolean).join(' · ');
  const key = useQuery({ queryKey: ['fingerprint', provider?.id], queryFn: () => vault.fingerprint(provider?.id ?? ''), enabled: provider !== null });
  return (
    <>
      <Autocomplete
        label={t('shares.provider')} placeholder={t('shares.provider_placeholder')} value={text} error={problem} size="md" filter={({ options }) => options}
        data={[...new Set((found.data ?? []).map(describe))]}
        onChange={(value) => {
          setText(value);
          onFound((found.data ?? []).find((one) => describe(one) === value) ?? null);
        }}
      />
      {found.data?.length === 0 && !provider ? <p className="small muted" style={{ margin: 0 }}>{t('shares.provider_none')}</p> : null}
      {provider && key.data ? (
        <div className="note">
          <IconFingerprint size={22} aria-hidden />
          <div className="grow"><b>{t('shares.fingerprint', { name: provider.name })}</b><div className="key small">{key.data.fingerprint}</div><p className="small muted">{t(key.data.is_new ? 'shares.fingerprint_new' : 'shares.fingerprint_known')}</p></div>
        </div>
      ) : null}
    </>
  );
}

function What({ data, set, problem, types, sensitive }: { data: ShareData; set: Set; problem: string | null; types: AvailableType[]; sensitive: NonNullable<RecordSharingProps['sensitive']> }) {
  const { t } = useTranslation();
  const chosen = new Set(data.recordTypes);
  const kinds = new Map<Kind, number>();
  for (const one of sensitive) if (chosen.has(one.type)) kinds.set(one.kind, (kinds.get(one.kind) ?? 0) + one.count);
  const choose = (wanted: RecordType[], more: Partial<ShareData> = {}) => set({ recordTypes: types.map((one) => one.id).filter((one) => wanted.includes(one)), ...more });
  return (
    <Part title={t('shares.what')}>
      <div className="chips" role="group" aria-label={t('shares.preset')}>
        {(Object.keys(PRESETS) as (keyof typeof PRESETS)[]).map((name) => (
          <button type="button" key={name} className="chip" onClick={() => choose(PRESETS[name].types, { expiresInDays: PRESETS[name].days, allowDownload: PRESETS[name].download })}>{t(`shares.preset_${name}`)}</button>
        ))}
        <button type="button" className="chip" onClick={() => choose(types.map((one) => one.id))}>{t('shares.preset_everything')}</button>
      </div>
      <Checkbox.Group value={data.recordTypes} onChange={(value) => choose(value as RecordType[])} error={problem} aria-label={t('shares.what')}>
        <div className="type-grid">
          {types.map((one) => <Checkbox key={one.id} value={one.id} label={<>{one.label} <span className="muted num">{count(one.count)}</span></>} />)}
        </div>
      </Checkbox.Group>
      {data.recordTypes.length > 0 && kinds.size > 0 ? (
        <div className="note warn">
          <div className="grow stack-s">
            <div><b>{t('shares.sensitive')}</b><div className="small">{t('shares.sensitive_more')}</div></div>
            {[...kinds].map(([kind, many]) => (
              <Checkbox
                key={kind} label={`${t(`kinds.${kind}`)} (${count(many)})`} checked={data.includeSensitive.includes(kind)}
                onChange={(event) => set({ includeSensitive: event.currentTarget.checked ? [...data.includeSensitive, kind] : data.includeSensitive.filter((one) => one !== kind) })}
              />
            ))}
          </div>
        </div>
      ) : null}
    </Part>
  );
}

function HowLong({ data, set, problem }: { data: ShareData; set: Set; problem: string | null }) {
  const { t } = useTranslation();
  return (
    <Part title={t('shares.how_long')}>
      <div className="chips" role="group" aria-label={t('shares.how_long')}>
        {LENGTHS.map((days) => <button type="button" key={days} className="chip" aria-pressed={data.expiresInDays === days} onClick={() => set({ expiresInDays: days })}>{t('shares.days', { count: days })}</button>)}
      </div>
      <NumberInput label={t('shares.custom')} min={1} max={365} allowDecimal={false} clampBehavior="none" value={data.expiresInDays} onChange={(value) => set({ expiresInDays: Number(value) })} error={problem} maw={260} />
      <Switch label={t('shares.allow_download')} description={t('shares.allow_download_more')} checked={data.allowDownload} onChange={(event) => set({ allowDownload: event.currentTarget.checked })} />
      {data.way === 'link' ? (
        <>
          <PasswordInput label={t('shares.passcode')} description={t('shares.passcode_more')} autoComplete="off" value={data.passcode ?? ''} onChange={(event) => set({ passcode: event.currentTarget.value || null })} />
          {data.recipientEmail ? <Switch label={t('shares.send')} description={t('shares.send_more')} checked={data.sendEmail} onChange={(event) => set({ sendEmail: event.currentTarget.checked })} /> : null}
        </>
      ) : null}
      <Textarea label={t('shares.message')} autosize minRows={2} maxLength={2000} value={data.message ?? ''} onChange={(event) => set({ message: event.currentTarget.value || null })} />
    </Part>
  );
}

function Look({ data, types, preview, until, children }: { data: ShareData; types: AvailableType[]; preview: RecordSharingProps['preview']; until: string; sender: string; children: ReactNode }) {
  const { t } = useTranslation();
  const chosen = types.filter((one) => data.recordTypes.includes(one.id)).map((one) => ({ titles: [] as string[], ...one, ...preview?.(one.id, data.includeSensitive) }));
  const all = chosen.reduce((sum, one) => sum + one.count, 0);
  return (
    <div className="stack">
      <p style={{ margin: 0 }}><b><bdi>{data.provider?.name ?? data.recipientName}</bdi></b> · {t('shares.until', { when: until })}</p>
      {all === 0 ? <Note><p>{t('shares.preview_none')}</p></Note> : (
        <ul className="list boxed">
          {chosen.map((one) => (
            <li key={one.id} className="line">
              <span><span className="t">{one.label}</span><br /><span className="s">{one.titles.slice(0, 3).join(' · ')}</span></span>
              <span className="e num">{t('shares.entries', { count: one.count, shown: count(one.count) })}</span>
            </li>
          ))}
        </ul>
      )}
      <p className="small muted" style={{ margin: 0 }}>
        {t('shares.preview_future')} {data.includeSensitive.length > 0 ? `${t('shares.sensitive')}: ${data.includeSensitive.map((kind) => t(`kinds.${kind}`)).join(', ')}.` : ''} {data.allowDownload ? t('shares.allow_download_more') : ''}
      </p>
      {children}
    </div>
  );
}

function Made({ made, name, email, until, onDone }: { made: MadeLink | null; name: string; email: string | null; until: string; onDone: () => void }) {
  const { t } = useTranslation();
  if (!made) {
    return <div className="stack"><Note tone="good"><p>{t('shares.made_account', { name, when: until })}</p></Note><div><Button onClick={onDone}>{t('shares.done')}</Button></div></div>;
  }
  return (
    <div className="stack">
      <Note tone="good"><p>{t('shares.made_more', { when: until })}</p></Note>
      <LinkBox url={made.url} email={email} />
      <div className="row" style={{ justifyContent: 'flex-end' }}><Button onClick={onDone}>{t('shares.done')}</Button></div>
    </div>
  );
}

/** A link to hand over: as text, as a code, as a mail of one's own. */
export function LinkBox({ url, email }: { url: string; email: string | null }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(url);
    setCopied(true);
  };
  const code = `data:image/svg+xml,${encodeURIComponent(renderSVG(url, { ecc: 'M', border: 2 }))}`;
  const mail = `mailto:${encodeURIComponent(email ?? '')}?subject=${encodeURIComponent(t('shares.mail_subject'))}&body=${encodeURIComponent(url)}`;
  return (
    <div className="link-box">
      <img src={code} alt={t('shares.qr')} width={176} height={176} />
      <div className="stack-s grow">
        <TextInput label={t('shares.the_link')} readOnly value={url} onFocus={(event) => event.currentTarget.select()} data-testid="share-url" />
        <div className="row">
          <Button leftSection={copied ? <IconCheck size={18} /> : <IconCopy size={18} />} onClick={() => void copy()}>{t(copied ? 'common.copied' : 'shares.copy')}</Button>
          <Button component="a" href={mail} variant="default" leftSection={<IconMail size={18} />}>{t('shares.mail_open')}</Button>
        </div>
      </div>
    </div>
  );
}
