/** Documents asked for elsewhere: asking, and what became of it. */
import { Button, CopyButton, Modal, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { IconCheck, IconCopy, IconMailQuestion, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { createDocumentRequest, type DocumentRequest, endDocumentRequest, isLiving, listDocumentRequests, type NewRequest } from '../../lib/document-requests.ts';
import { away, count, day } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { useCharts } from '../../lib/practice.ts';
import { ChooseTypes } from '../../ui/choose-types.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { PracticeFrame } from '../../ui/practice-frame.tsx';
import { RECORD_TYPES, VaultFailure } from '../../vault-worker/api.ts';

interface Draft extends Omit<NewRequest, 'since' | 'to'> { patient: string; since: string; to: string; byMail: boolean }
const blank: Draft = { patient: '', types: [], since: '', message: '', to: '', byMail: true };
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const TONES = { open: 'warn', answered: 'good', closed: 'plain', cancelled: 'plain', expired: 'bad' } as const;

export function DocumentRequests() {
  const { t } = useTranslation();
  const why = useWhy();
  const navigate = useNavigate();
  const { patient } = useSearch({ from: '/inside/caseload/requests' });
  const list = useQuery({ queryKey: ['document-requests'], queryFn: listDocumentRequests, refetchInterval: 60_000 });
  const charts = useCharts();
  const [draft, setDraft] = useState<Draft>(blank);
  const [asking, setAsking] = useState(false);
  const [made, setMade] = useState<DocumentRequest | null>(null);
  const open = asking || patient !== undefined;
  const close = () => {
    setAsking(false);
    if (patient) void navigate({ to: '/caseload/requests', search: {}, replace: true });
  };
  const names = new Map((charts.data ?? []).map((one) => [one.id, one.name]));
  const living = (list.data ?? []).filter(isLiving);
  const over = (list.data ?? []).filter((one) => !isLiving(one));
  return (
    <PracticeFrame more={t('asking.more')} actions={<Button leftSection={<IconPlus size={18} />} onClick={() => setAsking(true)}>{t('asking.ask')}</Button>}>
      <div className="stack">
        {list.error ? <Note tone="bad"><p>{why(list.error)}</p></Note> : list.isPending ? <Waiting /> : list.data.length === 0 ? (
          <section className="card"><Empty icon={IconMailQuestion} title={t('asking.none')}><p>{t('asking.none_more')}</p><Button leftSection={<IconPlus size={18} />} onClick={() => setAsking(true)}>{t('asking.ask')}</Button></Empty></section>
        ) : ([['asking.living', living], ['asking.over', over]] as const).map(([word, of]) => (of.length === 0 ? null : (
          <section key={word} className="card flush" aria-label={t(word)}>
            <header><h2>{t(word)}</h2></header>
            <ul className="list">{of.map((one) => <Line key={one.id} one={one} name={names.get(one.patient_id) ?? t('admin.kind_patient')} />)}</ul>
          </section>
        )))}
      </div>
      {open ? <Ask draft={patient ? { ...draft, patient } : draft} onChange={setDraft} onClose={close} onMade={(request) => { setDraft(blank); close(); if (request.upload_url && request.way === 'link') setMade(request); }} /> : null}
      {made ? <Handed request={made} onClose={() => setMade(null)} /> : null}
    </PracticeFrame>
  );
}

function Line({ one, name }: { one: DocumentRequest; name: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [ending, setEnding] = useState<'close' | 'cancel' | null>(null);
  return (
    <li className="line share" data-request={one.id}>
      <span>
        <Link to="/caseload/$id" params={{ id: one.patient_id }} className="t"><bdi>{name}</bdi></Link> <Tag tone={TONES[one.status]}>{t(`asking.status_${one.status}`)}</Tag>
        <br />
        <span className="s">
          {[one.types.length ? one.types.map((type) => t(`types.${type}`)).join(', ') : t('asking.whatever'), one.to ? t('asking.to', { email: one.to }) : t('asking.by_link'), t('asking.asked', { when: away(one.created_at) }),
            isLiving(one) ? t('asking.until', { when: day(one.expires_at) }) : ''].filter(Boolean).join(' · ')}
        </span>
        {one.documents > 0 ? <><br /><span className="small"><b className="num">{t('sync.documents', { count: one.documents, shown: count(one.documents) })}</b> {one.answered_at ? t('asking.came', { when: away(one.answered_at) }) : ''}</span></> : null}
      </span>
      {isLiving(one) ? (
        <span className="row" style={{ justifyContent: 'flex-end' }}>
          {one.documents > 0 ? <Button size="compact-md" aria-label={`${t('asking.close')}: ${name}`} onClick={() => setEnding('close')}>{t('asking.close')}</Button> : null}
          <Button size="compact-md" variant="default" aria-label={`${t('asking.cancel')}: ${name}`} onClick={() => setEnding('cancel')}>{t('asking.cancel')}</Button>
        </span>
      ) : <span />}
      {ending ? (
        <Confirm title={t(`asking.${ending}_ask`)} act={t(`asking.${ending}`)} doing={() => endDocumentRequest(one.id, ending)} onDone={() => void queries.invalidateQueries({ queryKey: ['document-requests'] })} onClose={() => setEnding(null)}>
          <p style={{ margin: 0 }}>{t('asking.end_more')}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

function Ask({ draft, onChange, onClose, onMade }: { draft: Draft; onChange: (draft: Draft) => void; onClose: () => void; onMade: (request: DocumentRequest) => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const charts = useCharts();
  const [tried, setTried] = useState(false);
  const set = (part: Partial<Draft>) => onChange({ ...draft, ...part });
  const send = useMutation({
    mutationFn: () => createDocumentRequest(draft.patient, { types: draft.types, since: draft.since || null, message: draft.message.trim(), to: draft.byMail ? draft.to.trim() : null }),
    onSuccess: async (request) => {
      await Promise.all(['document-requests', 'syncs', 'logs'].map((word) => queries.invalidateQueries({ queryKey: [word] })));
      onMade(request);
    },
  });
  const refused = send.error instanceof VaultFailure ? Object.fromEntries((send.error.failure.errors ?? []).map((error) => [error.field, error.message])) : {};
  const wrong = {
    patient: draft.patient ? null : t('errors.needed'), to: !draft.byMail || EMAIL.test(draft.to.trim()) ? null : t('errors.email'), message: draft.message.trim() ? null : t('errors.needed'),
  };
  const shown = (field: keyof typeof wrong) => refused[field] ?? (tried ? wrong[field] : null);
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('asking.ask')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (Object.values(wrong).every((one) => one === null)) send.mutate(); }}>
        <p className="muted" style={{ margin: 0 }}>{t('asking.ask_more')}</p>
        <NativeSelect label={t('asking.patient')} value={draft.patient} onChange={(event) => set({ patient: event.currentTarget.value })} error={shown('patient')} data={[{ value: '', label: t('requests.whom_known_none') }, ...(charts.data ?? []).map((one) => ({ value: one.id, label: one.name }))]} />
        <div className="cols" style={{ gap: 14 }}>
          <NativeSelect label={t('asking.way')} value={draft.byMail ? 'mail' : 'link'} onChange={(event) => set({ byMail: event.currentTarget.value === 'mail' })} data={[{ value: 'mail', label: t('asking.way_mail') }, { value: 'link', label: t('asking.way_link') }]} />
          {draft.byMail ? <TextInput label={t('asking.email')} type="email" autoComplete="off" value={draft.to} onChange={(event) => set({ to: event.currentTarget.value })} error={shown('to')} /> : null}
        </div>
        <Textarea label={t('asking.message')} description={t('asking.message_more')} autosize minRows={3} maxRows={10} value={draft.message} onChange={(event) => set({ message: event.currentTarget.value })} error={shown('message')} />
        <ChooseTypes legend={t('asking.types')} more={t('asking.types_more')} types={RECORD_TYPES} chosen={draft.types} onChange={(types) => set({ types })} />
        <TextInput label={t('asking.since')} type="date" style={{ maxWidth: 240 }} value={draft.since} onChange={(event) => set({ since: event.currentTarget.value })} error={refused.since} />
        {send.error && Object.keys(refused).length === 0 ? <Note tone="bad"><p>{why(send.error)}</p></Note> : null}
        <div className="row ends"><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={send.isPending}>{t('asking.send')}</Button></div>
      </form>
    </Modal>
  );
}

/** The link is told once: only its hash is kept. */
function Handed({ request, onClose }: { request: DocumentRequest; onClose: () => void }) {
  const { t } = useTranslation();
  const url = request.upload_url ?? '';
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('asking.link')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <div className="stack">
        <p className="muted" style={{ margin: 0 }}>{t('asking.link_more', { when: day(request.expires_at) })}</p>
        <p className="key" style={{ margin: 0 }} data-testid="upload-url">{url}</p>
        <div className="row ends">
          <CopyButton value={url}>{({ copied, copy }) => <Button variant="default" leftSection={copied ? <IconCheck size={18} /> : <IconCopy size={18} />} onClick={copy}>{t(copied ? 'common.copied' : 'common.copy')}</Button>}</CopyButton>
          <Button onClick={onClose}>{t('asking.link_kept')}</Button>
        </div>
      </div>
    </Modal>
  );
}
