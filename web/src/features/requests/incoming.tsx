/** Who asks to see one's record: what they want, and what they get of it. */
import { Button, Modal, Switch, TextInput } from '@mantine/core';
import { IconArrowLeft, IconFingerprint, IconUserQuestion } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { countTypes } from '../../lib/find.ts';
import { away, count } from '../../lib/format.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { type AccessRequest, listRequests } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { ChooseKinds, ChooseTypes } from '../../ui/choose-types.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Head, Note, Waiting } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { type Answer, endOf, firstAnswer, firstDay, lastDay, problems, stateOf } from './terms.ts';
import { About, StateTag } from './told.tsx';

export function Incoming() {
  const { t } = useTranslation();
  const why = useWhy();
  const { patient } = useMe();
  const poll = usePoll(20_000);
  const [done, setDone] = useState<string | null>(null);
  const list = useQuery({ queryKey: ['requests', patient], queryFn: listRequests, refetchInterval: poll });
  const mine = (list.data ?? []).filter((one) => one.patient_id === patient);
  const waiting = mine.filter((one) => stateOf(one) === 'pending');
  const answered = mine.filter((one) => stateOf(one) !== 'pending');
  return (
    <>
      <Head title={t('requests.title')} actions={<Button component={Link} to="/sharing" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('shares.title')}</Button>}>{t('requests.more')}</Head>
      <div className="stack">
        {done ? <div role="status"><Note tone="good"><p>{done}</p></Note></div> : null}
        {list.error ? <Note tone="bad"><p>{why(list.error)}</p></Note> : list.isPending ? <Waiting /> : (
          <>
            <section className="card flush" aria-label={t('requests.waiting')}>
              <header><h2>{t('requests.waiting')}</h2></header>
              {waiting.length === 0 ? <Empty icon={IconUserQuestion} title={t('requests.none')}><p>{t('requests.none_more')}</p></Empty>
                : <ul className="list">{waiting.map((one) => <Waits key={one.id} request={one} onDone={setDone} />)}</ul>}
            </section>
            {answered.length > 0 ? (
              <section className="card flush" aria-label={t('requests.answered')}>
                <header><h2>{t('requests.answered')}</h2></header>
                <ul className="list">{answered.map((one) => <li key={one.id} className="line"><span><span className="t"><bdi>{one.provider_name}</bdi></span><br /><span className="s">{one.record_types.map((type) => t(`types.${type}`)).join(', ')}</span></span><span className="e"><StateTag state={stateOf(one)} /><br /><span className="s">{away(one.answered_at ?? one.created_at)}</span></span></li>)}</ul>
              </section>
            ) : null}
          </>
        )}
      </div>
    </>
  );
}

function Waits({ request, onDone }: { request: AccessRequest; onDone: (text: string) => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [doing, setDoing] = useState<'decide' | 'refuse' | null>(null);
  // What was chosen stays while the dialog is closed and opened again.
  const [answer, setAnswer] = useState<Answer>(() => firstAnswer(request, Date.now()));
  const name = request.provider_name;
  const finish = (text: string) => {
    onDone(text);
    void queries.invalidateQueries({ queryKey: ['requests'] });
    void queries.invalidateQueries({ queryKey: ['shares'] });
  };
  return (
    <li className="request">
      <div className="between">
        <div className="grow"><b><bdi>{t('requests.wants', { name })}</bdi></b><br /><span className="muted small">{[request.provider_type, request.provider_organization, t('requests.asked_at', { when: away(request.created_at) })].filter(Boolean).join(' · ')}</span></div>
        <div className="row">
          <Button size="compact-md" onClick={() => setDoing('decide')}>{t('requests.answer')}</Button>
          <Button size="compact-md" variant="default" onClick={() => setDoing('refuse')}>{t('requests.refuse')}</Button>
        </div>
      </div>
      <About request={request} />
      {doing === 'decide' ? <Decide request={request} answer={answer} onChange={setAnswer} onClose={() => setDoing(null)} onAllowed={() => { setDoing(null); finish(t('requests.allowed', { name })); }} /> : null}
      {doing === 'refuse' ? (
        <Confirm title={t('requests.refuse_ask')} act={t('requests.refuse')} doing={() => call('PUT', `/api/sharing/requests/${request.id}`, { decision: 'deny' })} onDone={() => finish(t('requests.refused'))} onClose={() => setDoing(null)}>
          <p style={{ margin: 0 }}>{t('requests.refuse_more', { name })}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

function Decide({ request, answer, onChange, onClose, onAllowed }: { request: AccessRequest; answer: Answer; onChange: (answer: Answer) => void; onClose: () => void; onAllowed: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const { patient } = useMe();
  const [tried, setTried] = useState(false);
  const now = Date.now();
  const headers = useHeaders(patient);
  const key = useQuery({ queryKey: ['fingerprint', request.provider_id], queryFn: () => vault.fingerprint(request.provider_id) });
  const counts = useMemo(() => countTypes((headers.data ?? []).filter((one) => one.kinds.every((kind) => answer.kinds.includes(kind)))), [headers.data, answer.kinds]);
  const wrong = problems(answer, request, now);
  const set = (part: Partial<Answer>) => onChange({ ...answer, ...part });
  const allow = useMutation({
    mutationFn: () => vault.approveRequest(patient, request.id, {
      types: answer.types, kinds: answer.kinds, records: null, valid_from: null, expires_at: endOf(answer, request, Date.now()), purpose: request.purpose || 'TREAT', may_download: answer.may_download,
      message: null, provider: request.provider_id, provider_name: request.provider_name, write_types: answer.write_types,
    }),
    onSuccess: onAllowed,
  });
  const closed = allow.error instanceof VaultFailure && allow.error.failure.status === 409;
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('requests.wants', { name: request.provider_name })}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (!wrong.types && !wrong.until) allow.mutate(); }}>
        {request.record_types.length > 0 ? (
          <ChooseTypes
            legend={t('requests.allow_what')} types={request.record_types} chosen={answer.types} onChange={(types) => set({ types })} problem={tried && wrong.types ? t('requests.choose') : null}
            note={(type) => t('requests.entries', { count: counts.get(type) ?? 0, shown: count(counts.get(type) ?? 0) })}
          />
        ) : null}
        {request.include_sensitive.length > 0 ? <ChooseKinds legend={t('requests.allow_kinds')} more={t('requests.allow_kinds_more')} kinds={request.include_sensitive} chosen={answer.kinds} onChange={(kinds) => set({ kinds })} /> : null}
        {request.write_types.length > 0 ? <ChooseTypes legend={t('requests.allow_write')} types={request.write_types} chosen={answer.write_types} onChange={(write_types) => set({ write_types })} problem={request.record_types.length === 0 && tried && wrong.types ? t('requests.choose') : null} /> : null}
        <TextInput
          type="date" label={t('requests.until')} description={request.expiry_date ? t('requests.until_more') : undefined} min={firstDay(now)} max={lastDay(request, now)} style={{ maxWidth: 280 }}
          value={answer.until} onChange={(event) => set({ until: event.currentTarget.value })} error={tried && wrong.until ? t('requests.until_wrong') : null}
        />
        <Switch label={t('requests.download')} description={t('requests.download_more')} checked={answer.may_download} onChange={(event) => set({ may_download: event.currentTarget.checked })} />
        {key.data ? (
          <div className={key.data.is_new ? 'note warn' : 'note'}><IconFingerprint size={22} stroke={1.6} aria-hidden /><div className="grow"><b>{t('requests.key')}</b><p className={key.data.is_new ? 'small' : 'small muted'}>{t(key.data.is_new ? 'requests.key_new' : 'requests.key_known')}</p><span className="key small">{key.data.fingerprint}</span></div></div>
        ) : key.error ? <Note tone="bad"><p>{why(key.error)}</p></Note> : null}
        {allow.error ? <Note tone="bad"><p>{closed ? t('requests.gone') : why(allow.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={allow.isPending} disabled={!key.data}>{t('requests.allow')}</Button></div>
      </form>
    </Modal>
  );
}
