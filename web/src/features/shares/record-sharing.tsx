/**
 * Sharing a record: with whom, what, for how long; then exactly what they will
 * see; then a link for each recipient, or a grant to a provider.
 */
import { Button, Modal } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { day } from '../../lib/format.ts';
import type { Provider } from '../../lib/sharing.ts';
import type { ClinicalDocument, MadeLink, RecordHeader, RecordType } from '../../vault-worker/api.ts';
import { type Choice, type Cut, problemOf } from './choose.ts';
import { HowLong } from './how-long.tsx';
import { Look } from './look.tsx';
import { Made } from './made.tsx';
import { What } from './what.tsx';
import { WithWhom } from './with-whom.tsx';

export interface AvailableType { id: RecordType; label: string; count: number }
export interface Recipient { name: string; email: string }
export type Mailing = 'none' | 'notice' | 'link';

/** What somebody decided to share. */
export interface ShareData extends Choice {
  way: 'link' | 'account';
  /** A link is made for each. */
  recipients: Recipient[];
  provider: Provider | null;
  expiresInDays: number;
  allowDownload: boolean;
  passcode: string;
  message: string;
  sendEmail: Mailing;
}

/** What became of it, for each who was to get something. */
export interface Shared { name: string; email: string; link: MadeLink | null; mailed: Mailing; failure: unknown }

export interface RecordSharingProps {
  userProfile: { id: string; name: string; email: string };
  availableRecordTypes: AvailableType[];
  /** The records, for choosing single ones and for saying exactly what will be seen. */
  records: RecordHeader[];
  /** Shares, and says for each what became of it; never rejects for one of several. */
  onShare: (shareData: ShareData) => Promise<Shared[]>;
  /** The clinical document of a part, as its reader will get it. */
  onPreview?: (part: Cut) => Promise<ClinicalDocument>;
  /** What it begins with: an earlier share, or what a provider asks for. */
  initial?: Partial<ShareData>;
  /** Whether with whom is settled already. */
  fixed?: boolean;
  opened: boolean;
  onClose: () => void;
}

const EMPTY: ShareData = {
  way: 'link', recipients: [{ name: '', email: '' }], provider: null, scope: 'types', recordTypes: [], recordIds: [], from: null, to: null, includeFuture: true,
  includeSensitive: [], expiresInDays: 30, allowDownload: false, passcode: '', message: '', sendEmail: 'none',
};

export type Set = (part: Partial<ShareData>) => void;

export interface Problems {
  what: string | null;
  days: string | null;
  passcode: string | null;
  provider: string | null;
  recipients: { name: string | null; email: string | null }[];
}

const NONE: Problems = { what: null, days: null, passcode: null, provider: null, recipients: [] };

function useProblems(data: ShareData, records: RecordHeader[]): Problems {
  const { t } = useTranslation();
  const choice = problemOf(records, data);
  const byLink = data.way === 'link';
  const addresses = data.recipients.map((one) => one.email.trim().toLowerCase());
  const passcode = [...data.passcode.trim()].length;
  return {
    what: choice ? t(`shares.${choice}`) : null,
    days: Number.isInteger(data.expiresInDays) && data.expiresInDays >= 1 && data.expiresInDays <= 365 ? null : t('shares.days_range'),
    passcode: byLink && data.passcode !== '' && (passcode < 4 || passcode > 64) ? t('shares.passcode_length') : null,
    provider: !byLink && !data.provider ? t('shares.choose_provider') : null,
    recipients: byLink ? data.recipients.map(({ name, email }, at) => {
      const address = email.trim();
      const twice = address !== '' && addresses.indexOf(address.toLowerCase()) !== at;
      return {
        name: name.trim() ? null : t('shares.needs_name'),
        email: address === '' ? null : !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address) ? t('errors.email') : twice ? t('shares.address_twice') : null,
      };
    }) : [],
  };
}

const isFine = (problems: Problems) =>
  !problems.what && !problems.days && !problems.passcode && !problems.provider && problems.recipients.every((one) => !one.name && !one.email);

export function RecordSharing(props: RecordSharingProps) {
  const { t } = useTranslation();
  const { opened, onClose } = props;
  const [step, setStep] = useState<Step>('choose');
  return (
    <Modal
      opened={opened} onClose={onClose} size="xl" closeOnClickOutside={false} closeButtonProps={{ 'aria-label': t('common.close') }} keepMounted={false}
      title={<span className="modal-title">{t(step === 'made' ? 'shares.made' : step === 'look' ? 'shares.preview' : props.fixed ? 'shares.narrow' : 'shares.dialog')}</span>}
    >
      <Steps {...props} step={step} onStep={setStep} />
    </Modal>
  );
}

type Step = 'choose' | 'look' | 'made';

function Steps({ userProfile, availableRecordTypes, records, onShare, onPreview, initial, fixed, onClose, step, onStep }: RecordSharingProps & { step: Step; onStep: (step: Step) => void }) {
  const { t } = useTranslation();
  const [data, setData] = useState<ShareData>({ ...EMPTY, ...initial });
  const [tried, setTried] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const set: Set = (part) => setData((before) => ({ ...before, ...part }));
  const share = useMutation({ mutationFn: onShare, onSuccess: () => onStep('made') });
  const problems = useProblems(data, records);
  const shown = tried ? problems : NONE;
  const until = day(new Date(Date.now() + (Number.isFinite(data.expiresInDays) ? data.expiresInDays : 0) * 86_400_000).toISOString());
  const look = () => {
    setTried(true);
    if (isFine(problems)) onStep('look');
    // After it is drawn: to the first field that something is wrong with.
    else requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true], [data-problem]')?.focus());
  };
  const again = async (failed: Shared[]) => {
    const others = (share.data ?? []).filter((one) => !failed.includes(one));
    const done = await onShare({ ...data, recipients: failed.map(({ name, email }) => ({ name, email })) });
    share.reset();
    return [...others, ...done];
  };
  if (step === 'made') return <Made made={share.data ?? []} data={data} until={until} onRetry={again} onDone={() => { onStep('choose'); onClose(); }} />;
  if (step === 'look') {
    return (
      <Look data={data} types={availableRecordTypes} records={records} until={until} sender={userProfile.name} onPreview={onPreview} failure={share.error}>
        <Button variant="default" onClick={() => onStep('choose')}>{t('shares.edit')}</Button>
        <Button loading={share.isPending} onClick={() => share.mutate(data)}>{t(data.way === 'link' && data.recipients.length > 1 ? 'shares.confirm_many' : 'shares.confirm', { count: data.recipients.length })}</Button>
      </Look>
    );
  }
  return (
    <form ref={form} className="stack" noValidate onSubmit={(event) => { event.preventDefault(); look(); }}>
      <WithWhom data={data} set={set} problems={shown} fixed={fixed === true} />
      <What data={data} set={set} problem={shown.what} types={availableRecordTypes} records={records} />
      <HowLong data={data} set={set} problems={shown} until={until} />
      {tried && !isFine(problems) ? <p className="small" role="alert" style={{ color: 'var(--bad-ink)', margin: 0 }}>{t('shares.not_yet')}</p> : null}
      <div className="row ends">
        <Button variant="default" onClick={onClose}>{t('common.cancel')}</Button>
        <Button type="submit">{t('shares.next')}</Button>
      </div>
    </form>
  );
}
