/** One connection: how it is, changing it, pausing and deleting it, and the patients on it. */
import { Button, CopyButton, Modal } from '@mantine/core';
import { IconArrowLeft, IconCheck, IconCopy, IconPlayerPause, IconPlayerPlay, IconPlus, IconTrash, IconUsers } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { away, clinicalDate, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Attachment, type Connection as Conn, deleteConnection, detachPatient, findConnection, launch, listAttachments, renewPractice, updateConnection, useCharts } from '../../lib/practice.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { useProblem } from '../../ui/problem.ts';
import { AttachPatients } from './attach.tsx';
import { EditConnection } from './edit.tsx';
import { Try } from './tried.tsx';

export function ConnectionDetail() {
  const { t } = useTranslation();
  const why = useWhy();
  const { id = '' } = useParams({ strict: false });
  const found = useQuery({ queryKey: ['connections', id], queryFn: () => findConnection(id), retry: false });
  const back = <Button component={Link} to="/caseload/connections" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('practice.tab_connections')}</Button>;
  if (found.isPending) return <Waiting />;
  if (found.error) return <><Head title={t('practice.tab_connections')} actions={back} /><Note tone="bad"><p>{why(found.error)}</p></Note></>;
  const one = found.data;
  return (
    <>
      <Head title={one.name} actions={back}>{[t(`connections.direction_${one.direction}`), t(`connections.kind_${one.kind}`), t('connections.since', { when: clinicalDate(one.created_at) })].join(' · ')}</Head>
      <div className="stack">
        <Health one={one} />
        <Patients one={one} />
        <Hints one={one} />
        <EditConnection one={one} />
        <Remove one={one} />
      </div>
    </>
  );
}

function Health({ one }: { one: Conn }) {
  const { t } = useTranslation();
  const why = useWhy();
  const problem = useProblem();
  const queries = useQueryClient();
  const paused = one.state === 'paused';
  const pause = useMutation({ mutationFn: () => updateConnection(one.id, { paused: !paused }), onSuccess: () => renewPractice(queries) });
  return (
    <section className="card" aria-labelledby="health">
      <div className="between">
        <h2 id="health">{t('connections.health')} <Tag tone={one.state === 'ok' ? 'good' : paused ? 'plain' : 'bad'}>{t(`practice.state_${one.state}`)}</Tag></h2>
        <Button variant="default" leftSection={paused ? <IconPlayerPlay size={18} /> : <IconPlayerPause size={18} />} loading={pause.isPending} onClick={() => pause.mutate()}>{t(paused ? 'connections.resume' : 'connections.pause')}</Button>
      </div>
      <div className="stack-s">
        {one.problem ? <Note tone="bad"><p>{problem(one.problem)}</p></Note> : null}
        {paused ? <p className="muted" style={{ margin: 0 }}>{t('connections.paused_more')}</p> : null}
        {one.hands_off ? <p className="muted" style={{ margin: 0 }}>{t('connections.hands_off')}</p> : null}
        {pause.error ? <Note tone="bad"><p>{why(pause.error)}</p></Note> : null}
        <Try connection={one} />
      </div>
    </section>
  );
}

function Patients({ one }: { one: Conn }) {
  const { t } = useTranslation();
  const why = useWhy();
  const charts = useCharts();
  const list = useQuery({ queryKey: ['connections', one.id, 'patients'], queryFn: () => listAttachments(one.id) });
  const [adding, setAdding] = useState<string | true | null>(null);
  const names = new Map((charts.data ?? []).map((chart) => [chart.id, chart.name]));
  const add = <Button leftSection={<IconPlus size={18} />} onClick={() => setAdding(true)}>{t('connections.attach_some')}</Button>;
  return (
    <section className="card flush" aria-labelledby="patients">
      <header className="between"><h2 id="patients">{t('connections.patients')} {list.data?.length ? <span className="muted num">{count(list.data.length)}</span> : null}</h2>{list.data?.length ? add : null}</header>
      {list.isPending || charts.isPending ? <Waiting /> : list.error ? <div className="padded"><Note tone="bad"><p>{why(list.error)}</p></Note></div>
        : list.data.length === 0 ? <Empty icon={IconUsers} title={t('connections.patients_none')}><p>{t(`connections.patients_more_${one.direction}`)}</p>{add}</Empty>
          : <ul className="list">{list.data.map((of) => <Line key={of.patient_id} of={of} one={one} name={names.get(of.patient_id) ?? t('admin.kind_patient')} onChoose={() => setAdding(of.patient_id)} />)}</ul>}
      {adding && list.data ? (
        <Modal opened onClose={() => setAdding(null)} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{adding === true ? t('connections.attach_some') : t('connections.who_there', { system: one.name })}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
          <AttachPatients connection={one} known={list.data} {...(adding === true ? {} : { only: adding, act: t('common.save') })} onDone={() => setAdding(null)} />
        </Modal>
      ) : null}
    </section>
  );
}

/** Where the other end may say that something changed. */
function Hints({ one }: { one: Conn }) {
  const { t } = useTranslation();
  if (!one.webhook_url) return null;
  return (
    <details className="card">
      <summary><b>{t('connections.hints')}</b></summary>
      <div className="stack-s" style={{ marginTop: 12 }}>
        <p className="muted" style={{ margin: 0 }}>{t('connections.hints_more')}</p>
        <p className="key small" style={{ margin: 0 }}>{one.webhook_url}</p>
        <div><CopyButton value={one.webhook_url}>{({ copied, copy }) => <Button size="compact-md" variant="default" leftSection={copied ? <IconCheck size={16} /> : <IconCopy size={16} />} onClick={copy}>{t(copied ? 'common.copied' : 'common.copy')}</Button>}</CopyButton></div>
      </div>
    </details>
  );
}

/** The patient signs in at their provider, in this browser; it comes back to a page of its own. */
function SignInThere({ connection, patient, name }: { connection: string; patient: string; name: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [asking, setAsking] = useState(false);
  const go = useMutation({ mutationFn: () => launch(connection, patient), onSuccess: (begun) => location.assign(begun.authorize_url) });
  return (
    <>
      <Button size="compact-sm" aria-label={`${t('connections.sign_in_there')}: ${name}`} onClick={() => setAsking(true)}>{t('connections.sign_in_there')}</Button>
      {asking ? (
        <Modal opened onClose={() => setAsking(false)} title={<span className="modal-title">{t('connections.sign_in_ask', { name })}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
          <div className="stack">
            <p style={{ margin: 0 }}>{t('connections.sign_in_more')}</p>
            {go.error ? <Note tone="bad"><p>{why(go.error)}</p></Note> : null}
            <div className="row ends"><Button variant="default" onClick={() => setAsking(false)}>{t('common.cancel')}</Button><Button loading={go.isPending || go.isSuccess} onClick={() => go.mutate()}>{t('connections.sign_in_go')}</Button></div>
          </div>
        </Modal>
      ) : null}
    </>
  );
}

function Line({ of, one, name, onChoose }: { of: Attachment; one: Conn; name: string; onChoose: () => void }) {
  const { t } = useTranslation();
  const problem = useProblem();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const nobody = of.problem === 'connection.ambiguous' || of.problem === 'connection.not_found';
  return (
    <li className="line share" data-chart={name}>
      <span>
        <Link to="/caseload/$id/sync" params={{ id: of.patient_id }} className="t"><bdi>{name}</bdi></Link> {of.state === 'ok' ? null : <Tag tone={of.state === 'paused' ? 'plain' : 'bad'}>{t(`practice.state_${of.state}`)}</Tag>}
        {of.problem ? <><br /><span className="small urgent">{nobody ? t(of.problem === 'connection.ambiguous' ? 'connections.ambiguous' : 'connections.no_client', { system: one.name }) : problem(of.problem)}</span></> : null}
        <br />
        <span className="s">
          {[of.remote_patient_id ? t('connections.is_there', { number: of.remote_patient_id }) : '', of.last_run_at ? t('sync.last', { when: away(of.last_run_at) }) : t('sync.never'),
            of.record_types.length ? of.record_types.map((type) => t(`types.${type as 'documents'}`)).join(', ') : t('connections.all_types'),
            of.authorization ? t('connections.authorized', { when: clinicalDate(of.authorization.obtained_on), how: of.authorization.method }) : ''].filter(Boolean).join(' · ')}
        </span>
      </span>
      <span className="row" style={{ justifyContent: 'flex-end' }}>
        {one.credentials === 'smart' ? <SignInThere connection={one.id} patient={of.patient_id} name={name} /> : null}
        <Button size="compact-sm" variant={nobody ? 'filled' : 'default'} onClick={onChoose}>{t(nobody ? 'connections.choose_client' : 'connections.terms')}</Button>
        <Button size="compact-sm" variant="subtle" color="gray" aria-label={`${t('connections.detach')}: ${name}`} onClick={() => setAsking(true)}>{t('connections.detach')}</Button>
      </span>
      {asking ? (
        <Confirm title={t('connections.detach_ask', { name, system: one.name })} act={t('connections.detach')} doing={() => detachPatient(one.id, of.patient_id)} onDone={() => void renewPractice(queries)} onClose={() => setAsking(false)}>
          <p style={{ margin: 0 }}>{t(`connections.detach_more_${one.direction}`)}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

function Remove({ one }: { one: Conn }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  return (
    <section className="card danger-card">
      <div className="between">
        <div className="grow"><h2>{t('connections.delete')}</h2><p className="muted" style={{ margin: 0 }}>{t(`connections.delete_more_${one.direction}`)}</p></div>
        <Button variant="default" className="danger-outline" leftSection={<IconTrash size={18} />} onClick={() => setAsking(true)}>{t('connections.delete')}</Button>
      </div>
      {asking ? (
        <Confirm
          title={t('connections.delete_ask', { name: one.name })} act={t('connections.delete')} doing={() => deleteConnection(one.id)}
          onDone={() => { void navigate({ to: '/caseload/connections' }); void renewPractice(queries); }} onClose={() => setAsking(false)}
        >
          <p style={{ margin: 0 }}>{t(`connections.delete_more_${one.direction}`)}</p>
        </Confirm>
      ) : null}
    </section>
  );
}
