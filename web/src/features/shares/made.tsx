/** What was shared: a link for each recipient with its code and mail, or the word that a provider has access. */
import { Button, TextInput } from '@mantine/core';
import { IconCheck, IconCopy, IconMail } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { renderSVG } from 'uqr';
import { useWhy } from '../../lib/hooks.ts';
import { Note } from '../../ui/pieces.tsx';
import type { ShareData, Shared } from './record-sharing.tsx';

interface Props { made: Shared[]; data: ShareData; until: string; onRetry: (failed: Shared[]) => Promise<Shared[]>; onDone: () => void }

export function Made({ made, data, until, onRetry, onDone }: Props) {
  const { t } = useTranslation();
  const why = useWhy();
  const [shared, setShared] = useState(made);
  const failed = shared.filter((one) => one.failure);
  const done = shared.filter((one) => !one.failure);
  const retry = useMutation({ mutationFn: () => onRetry(failed), onSuccess: setShared });
  return (
    <div className="stack">
      {data.way === 'account' ? <Note tone="good"><p>{t('shares.made_account', { name: data.provider?.name ?? '', when: until })}</p></Note> : null}
      {data.way === 'link' && done.length > 0 ? (
        <Note tone="good"><p>{t(done.length > 1 ? 'shares.made_many' : 'shares.made_more', { when: until })}{data.passcode ? ` ${t('shares.made_passcode')}` : ''}</p></Note>
      ) : null}
      {done.map((one) => (one.link ? (
        <section key={one.link.share} className="made" aria-label={one.name}>
          {shared.length > 1 ? <h3><bdi>{one.name}</bdi></h3> : null}
          <LinkBox url={one.link.url} shlink={one.link.shlink} email={one.email} />
          <p className="small muted" style={{ margin: 0 }}>{t(`shares.mailed_${one.mailed}`, { email: one.email })}</p>
        </section>
      ) : null))}
      {failed.length > 0 ? (
        <Note tone="bad">
          <p>{t('shares.made_failed', { names: failed.map((one) => one.name).join(', ') })} {why(failed[0]?.failure)}</p>
          <Button size="compact-md" variant="default" mt={10} loading={retry.isPending} onClick={() => retry.mutate()}>{t('common.again')}</Button>
        </Note>
      ) : null}
      <div className="row ends"><Button onClick={onDone}>{t('shares.done')}</Button></div>
    </div>
  );
}

/** A link to hand over: as text, as a code, as a mail of one's own. */
export function LinkBox({ url, shlink = null, email }: { url: string; shlink?: string | null; email: string | null }) {
  const { t } = useTranslation();
  const code = `data:image/svg+xml,${encodeURIComponent(renderSVG(url, { ecc: 'M', border: 2 }))}`;
  const mail = `mailto:${encodeURIComponent(email ?? '')}?subject=${encodeURIComponent(t('shares.mail_subject'))}&body=${encodeURIComponent(url)}`;
  return (
    <div className="link-box">
      <img src={code} alt={t('shares.qr')} width={176} height={176} />
      <div className="stack-s grow">
        <TextInput label={t('shares.the_link')} readOnly value={url} onFocus={(event) => event.currentTarget.select()} data-testid="share-url" />
        <div className="row">
          <Copy text={url} label={t('shares.copy')} />
          <Button component="a" href={mail} variant="default" leftSection={<IconMail size={18} />}>{t('shares.mail_open')}</Button>
        </div>
        {shlink ? (
          <details className="small">
            <summary>{t('shares.shlink')}</summary>
            <p className="muted" style={{ margin: '6px 0' }}>{t('shares.shlink_more')}</p>
            <TextInput aria-label={t('shares.shlink')} readOnly value={shlink} onFocus={(event) => event.currentTarget.select()} />
          </details>
        ) : null}
      </div>
    </div>
  );
}

function Copy({ text, label }: { text: string; label: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  // Plain http has no clipboard: there the field is selected by hand.
  if (!navigator.clipboard) return null;
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
  return <Button leftSection={copied ? <IconCheck size={18} /> : <IconCopy size={18} />} onClick={copy}>{copied ? t('common.copied') : label}</Button>;
}
