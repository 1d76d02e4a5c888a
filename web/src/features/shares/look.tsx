/** Exactly what a recipient will see, before anything is shared. */
import { Button } from '@mantine/core';
import { IconEye } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { Clinical } from '../../ui/clinical.tsx';
import { Note } from '../../ui/pieces.tsx';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { cut, isLive, seen } from './choose.ts';
import type { AvailableType, RecordSharingProps, ShareData } from './record-sharing.tsx';

/** Titles of a type that are shown before somebody asks for the rest. */
const FIRST = 5;

interface Props {
  data: ShareData; types: AvailableType[]; records: RecordHeader[]; until: string; sender: string;
  onPreview: RecordSharingProps['onPreview']; failure: unknown; children: ReactNode;
}

export function Look({ data, types, records, until, sender, onPreview, failure, children }: Props) {
  const { t } = useTranslation();
  const why = useWhy();
  const shown = seen(records, data);
  const whole = useMutation({ mutationFn: () => (onPreview ?? (() => Promise.reject(new Error('no preview'))))(cut(records, data)) });
  const live = isLive(data);
  const groups = types
    .map((type) => ({ ...type, records: shown.filter((one) => one.record_type === type.id) }))
    .filter((one) => one.records.length > 0 || (live && data.recordTypes.includes(one.id)));
  const names = data.way === 'account' ? [data.provider?.name ?? ''] : data.recipients.map((one) => one.name.trim());
  const rules = [
    t('shares.until', { when: until }),
    t(data.allowDownload ? 'shares.rule_download' : 'shares.rule_no_download'),
    data.way === 'link' && data.passcode !== '' ? t('shares.rule_passcode') : '',
    data.includeSensitive.length > 0 ? `${t('shares.sensitive')}: ${data.includeSensitive.map((kind) => t(`kinds.${kind}`)).join(', ')}` : t('shares.rule_no_sensitive'),
    data.way === 'link' ? t(`shares.rule_mail_${data.recipients.some((one) => one.email.trim()) ? data.sendEmail : 'none'}`) : '',
  ].filter(Boolean);
  return (
    <div className="stack">
      <div>
        <p style={{ margin: 0, fontWeight: 600 }}><bdi>{names.join(', ')}</bdi></p>
        <p className="small muted" style={{ margin: '2px 0 0' }}>{rules.join(' · ')}</p>
      </div>
      {data.message ? <div className="note"><p style={{ whiteSpace: 'pre-wrap' }}><b>{t('shares.message_from', { name: sender })}</b> <bdi>{data.message}</bdi></p></div> : null}
      {shown.length === 0 ? <Note><p>{t('shares.preview_none')}</p></Note> : null}
      {groups.length > 0 ? <div className="boxed">{groups.map((group) => <Group key={group.id} label={group.label} records={group.records} />)}</div> : null}
      <p className="small muted" style={{ margin: 0 }}>{t(live ? 'shares.preview_future' : 'shares.preview_fixed')}</p>
      {onPreview && shown.length > 0 ? (
        <div className="stack">
          {whole.data ? null : <div><Button variant="default" leftSection={<IconEye size={18} />} loading={whole.isPending} onClick={() => whole.mutate()}>{t('shares.preview_whole')}</Button></div>}
          {whole.error ? <Note tone="bad"><p>{why(whole.error)}</p></Note> : null}
          {whole.data ? <section className="as-seen" aria-label={t('shares.preview_whole')}><Clinical document={whole.data} /></section> : null}
        </div>
      ) : null}
      {failure ? <Note tone="bad"><p>{why(failure)}</p></Note> : null}
      <div className="row ends">{children}</div>
    </div>
  );
}

function Group({ label, records }: { label: string; records: RecordHeader[] }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const sorted = [...records].sort((one, other) => ((one.date ?? '') < (other.date ?? '') ? 1 : -1));
  const shown = all ? sorted : sorted.slice(0, FIRST);
  return (
    <section className="look-group">
      <div className="between"><h3>{label}</h3><span className="num muted">{t('shares.entries', { count: records.length, shown: count(records.length) })}</span></div>
      <ul>
        {shown.map((one) => <li key={one.id}><bdi>{one.title}</bdi> <span className="muted small">{[one.value, clinicalDate(one.date)].filter(Boolean).join(' · ')}</span></li>)}
      </ul>
      {records.length > FIRST && !all ? <button type="button" className="link-button small" onClick={() => setAll(true)}>{t('shares.look_all', { count: records.length, shown: count(records.length) })}</button> : null}
    </section>
  );
}
