/** A patient's documents that practitioners gave each other: with whom, until when, and taking it back. */
import { Button, Modal, NativeSelect, Textarea } from '@mantine/core';
import { IconShare3 } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { listSharedDocuments, type Shared, shareDocument, type SharedDocument } from '../../lib/document-requests.ts';
import { day } from '../../lib/format.ts';
import { useHeaders, useWhy } from '../../lib/hooks.ts';
import type { Chart } from '../../lib/practice.ts';
import type { Provider } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { FindProvider } from '../../ui/find-provider.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { type RecordHeader, VaultFailure } from '../../vault-worker/api.ts';
import { ChartFrame } from './chart-frame.tsx';

const DAYS = [7, 30, 90, 180, 365];
const TONES = { active: 'good', scheduled: 'plain', suspended: 'warn', expired: 'plain', revoked: 'plain', asked: 'warn', denied: 'bad' } as const;

export function ChartShared() {
  return <ChartFrame>{(chart) => <List chart={chart} />}</ChartFrame>;
}

function List({ chart }: { chart: Chart }) {
  const { t } = useTranslation();
  const why = useWhy();
  const list = useQuery({ queryKey: ['shared-documents', chart.id], queryFn: () => listSharedDocuments(chart.id) });
  const headers = useHeaders(chart.id);
  const titles = useMemo(() => new Map((headers.data ?? []).map((one) => [one.id, one.title])), [headers.data]);
  if (list.isPending) return <Waiting />;
  if (list.error) return <Note tone="bad"><p>{why(list.error)}</p></Note>;
  if (list.data.length === 0) return <section className="card"><Empty icon={IconShare3} title={t('passing.none')}><p>{t('passing.none_more')}</p></Empty></section>;
  return (
    <section className="card flush" aria-label={t('passing.title')}>
      <ul className="list">{list.data.map((one, at) => <Line key={`${one.grant_id ?? one.request_id ?? at} ${one.document_id}`} one={one} chart={chart} title={titles.get(one.document_id) ?? t('deliveries.document')} />)}</ul>
    </section>
  );
}

function Line({ one, chart, title }: { one: SharedDocument; chart: Chart; title: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [ending, setEnding] = useState(false);
  const { grant_id } = one;
  return (
    <li className="line share">
      <span>
        <Link to="/caseload/$id/record/$record" params={{ id: chart.id, record: one.document_id }} className="t"><bdi>{title}</bdi></Link> <Tag tone={TONES[one.status]}>{t(`passing.status_${one.status}`)}</Tag>
        <br /><span className="s">{[t(`passing.${one.direction}`, { name: one.practitioner_name }), t('passing.at', { when: day(one.shared_at) }), one.expiry_date ? t('patients.until', { when: day(one.expiry_date) }) : ''].filter(Boolean).join(' · ')}</span>
      </span>
      {one.direction === 'given' && one.status === 'active' && grant_id && !chart.claimed ? <Button size="compact-md" variant="default" aria-label={`${t('passing.end')}: ${one.practitioner_name}`} onClick={() => setEnding(true)}>{t('passing.end')}</Button> : <span />}
      {ending && grant_id ? (
        <Confirm
          title={t('passing.end_ask', { name: one.practitioner_name })} act={t('passing.end')} doing={() => vault.endGrant(chart.id, grant_id, 'account')}
          onDone={() => void queries.invalidateQueries({ queryKey: ['shared-documents'] })} onClose={() => setEnding(false)}
        >
          <p style={{ margin: 0 }}>{t('passing.end_more')}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

/** While nobody has claimed the chart its keys are here; afterwards the patient has a say, where they did not give it before. */
async function pass(chart: Chart, header: RecordHeader, provider: Provider, days: number, message: string): Promise<Shared['status']> {
  const expires_at = new Date(Date.now() + days * 86_400_000 - 60_000).toISOString();
  const to = { provider: provider.id, provider_name: provider.name, patient_name: chart.name, expires_at, message: message || null };
  if (!chart.claimed) {
    await vault.createGrant(chart.id, { ...to, types: [header.record_type], kinds: header.kinds, records: [header.id], valid_from: null, purpose: 'TREAT', may_download: true, write_types: [] });
    return 'shared';
  }
  try {
    await vault.passOn(chart.id, header.id, to);
    return 'shared';
  } catch (why) {
    if (!(why instanceof VaultFailure) || why.code !== 'vault.no_key') throw why;
    return (await shareDocument(header.id, { practitioner_id: provider.id, expiry_date: expires_at, message: to.message })).status;
  }
}

export function PassOn({ chart, header, onClose }: { chart: Chart; header: RecordHeader; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [provider, setProvider] = useState<Provider | null>(null);
  const [days, setDays] = useState(90);
  const [message, setMessage] = useState('');
  const [tried, setTried] = useState(false);
  const send = useMutation({
    mutationFn: (to: Provider) => pass(chart, header, to, days, message.trim()),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['shared-documents'] }),
  });
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('passing.share')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {send.data ? (
        <div className="stack" role="status">
          <Note tone="good"><p>{t(send.data === 'shared' ? 'passing.done' : 'passing.asked', { name: provider?.name ?? '' })}</p></Note>
          <div className="row ends"><Button onClick={onClose}>{t('common.close')}</Button></div>
        </div>
      ) : (
        <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (provider) send.mutate(provider); }}>
          <p className="muted" style={{ margin: 0 }}><b><bdi>{header.title}</bdi></b> {t(chart.claimed ? 'passing.more_claimed' : 'passing.more')}</p>
          <FindProvider provider={provider} onFound={setProvider} problem={tried && !provider ? t('passing.choose') : null} />
          <NativeSelect label={t('requests.how_long')} style={{ maxWidth: 240 }} value={String(days)} onChange={(event) => setDays(Number(event.currentTarget.value))} data={DAYS.map((one) => ({ value: String(one), label: t('shares.days', { count: one }) }))} />
          <Textarea label={t('passing.message')} autosize minRows={2} maxRows={8} maxLength={1000} value={message} onChange={(event) => setMessage(event.currentTarget.value)} />
          {send.error ? <Note tone="bad"><p>{why(send.error)}</p></Note> : null}
          <div className="row ends"><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={send.isPending}>{t('passing.share')}</Button></div>
        </form>
      )}
    </Modal>
  );
}
