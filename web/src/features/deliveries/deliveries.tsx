/** What waits for a person: documents to file by hand, those that may have arrived, and those that were given up. */
import { Button, Modal } from '@mantine/core';
import { IconChecklist, IconCircleCheck, IconDownload, IconEye, IconRefresh } from '@tabler/icons-react';
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { away, clinicalDate, count, moment } from '../../lib/format.ts';
import { groupBy } from '../../lib/group.ts';
import { useWhy } from '../../lib/hooks.ts';
import { decide, type Delivery, renewPractice, TO_DO, type ToDo, useCharts, useToDo } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Content, save } from '../../ui/content.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { PracticeFrame } from '../../ui/practice-frame.tsx';
import { useProblem } from '../../ui/problem.ts';
import { Told } from '../../ui/told.tsx';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { fileName } from './names.ts';

/** Documents that are drawn of one patient at first. */
const PORTION = 40;

export function Deliveries() {
  const { t } = useTranslation();
  const why = useWhy();
  const list = useToDo();
  const of = (state: ToDo) => (list.data ?? []).filter((one) => one.state === state);
  return (
    <PracticeFrame more={t('deliveries.more')}>
      {list.isPending ? <Waiting /> : list.error ? <Note tone="bad"><p>{why(list.error)}</p></Note>
        : list.data.length === 0 ? <section className="card"><Empty icon={IconChecklist} title={t('deliveries.none')}><p>{t('deliveries.none_more')}</p></Empty></section>
          : <div className="stack">{TO_DO.filter((state) => of(state).length > 0).map((state) => <Part key={state} state={state} items={of(state)} />)}</div>}
    </PracticeFrame>
  );
}

/** Titles are sealed: they are opened here, patient by patient. */
function useTitles(patients: string[]): ReadonlyMap<string, RecordHeader> {
  const found = useQueries({ queries: patients.map((patient) => ({ queryKey: ['vault', patient, 'headers'], queryFn: () => vault.listHeaders(patient), retry: false })) });
  return new Map(found.flatMap((one) => (one.data ?? []).map((header): [string, RecordHeader] => [header.id, header])));
}

function Part({ state, items }: { state: ToDo; items: Delivery[] }) {
  const { t } = useTranslation();
  const charts = useCharts();
  const groups = useMemo(() => [...groupBy(items, (one) => one.patient_id)], [items]);
  const titles = useTitles(groups.map(([patient]) => patient));
  const names = new Map((charts.data ?? []).map((one) => [one.id, one.name]));
  return (
    <section className="card flush" aria-labelledby={state}>
      <header><h2 id={state}>{t(`deliveries.${state}`)} <span className="muted num">{count(items.length)}</span></h2><p className="small muted" style={{ margin: 0, maxWidth: '72ch' }}>{t(`deliveries.${state}_more`)}</p></header>
      {groups.map(([patient, of]) => <OfPatient key={patient} patient={patient} name={names.get(patient) ?? t('admin.kind_patient')} state={state} items={of} titles={titles} />)}
    </section>
  );
}

function OfPatient({ patient, name, state, items, titles }: { patient: string; name: string; state: ToDo; items: Delivery[]; titles: ReadonlyMap<string, RecordHeader> }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState(PORTION);
  return (
    <div data-chart={name}>
      <div className="group between"><Link to="/caseload/$id" params={{ id: patient }}><bdi>{name}</bdi></Link>{state === 'handed_off' && items.length > 1 ? <Index name={name} items={items} titles={titles} /> : null}</div>
      <ul className="list">{items.slice(0, shown).map((one) => <Line key={one.id} one={one} header={titles.get(one.document_id)} />)}</ul>
      {items.length > shown ? <p className="rest"><button type="button" className="link-button" onClick={() => setShown(shown + PORTION)}>{t('common.more')}</button></p> : null}
    </div>
  );
}

/** A list of what is to be filed, beside the files themselves. */
function Index({ name, items, titles }: { name: string; items: Delivery[]; titles: ReadonlyMap<string, RecordHeader> }) {
  const { t } = useTranslation();
  const text = () => [name, moment(new Date().toISOString()), '', ...items.map((one, at) => {
    const header = titles.get(one.document_id);
    return `${at + 1}. ${header ? `${fileName({ header })}  ${header.title}` : one.document_id}`;
  })].join('\r\n');
  return <Button size="compact-sm" variant="subtle" leftSection={<IconDownload size={16} />} onClick={() => save('index.txt', text())}>{t('deliveries.index')}</Button>;
}

function Line({ one, header }: { one: Delivery; header: RecordHeader | undefined }) {
  const { t } = useTranslation();
  const why = useWhy();
  const problem = useProblem();
  const queries = useQueryClient();
  const [looking, setLooking] = useState(false);
  const [asking, setAsking] = useState(false);
  const title = header?.title ?? (one.record_type ? t(`types.${one.record_type}`) : t('deliveries.document'));
  const renew = () => renewPractice(queries);
  const decided = useMutation({ mutationFn: (decision: 'filed' | 'retry') => decide(one.id, decision), onSuccess: renew });
  const fetched = useMutation({
    mutationFn: () => vault.readRecord(one.patient_id, one.document_id),
    onSuccess: (content) => save(fileName(content), content.bytes ?? content.text ?? ''),
  });
  const removes = one.operation === 'remove';
  return (
    <li className="line share todo" data-delivery={one.id}>
      <span>
        <span className="t"><bdi>{title}</bdi></span> {removes ? <Tag tone="warn">{t('deliveries.remove')}</Tag> : null}
        <br /><span className="s">{[header ? t(`types.${header.record_type}`) : '', clinicalDate(header?.date), t('deliveries.for', { system: one.connection_name }), t('deliveries.since', { when: away(one.updated_at) })].filter(Boolean).join(' · ')}</span>
        {one.state === 'handed_off' ? null : <><br /><span className="small urgent">{one.state === 'needs_review' ? t('deliveries.review', { system: one.connection_name }) : problem(one.problem)}</span></>}
        {fetched.error ? <><br /><span className="small urgent" role="alert">{why(fetched.error)}</span></> : null}
      </span>
      <span className="row" style={{ justifyContent: 'flex-end' }}>
        {removes ? null : (
          <>
            <Button size="compact-md" variant="subtle" leftSection={<IconEye size={17} />} aria-label={`${t('deliveries.look')}: ${title}`} onClick={() => setLooking(true)}>{t('deliveries.look')}</Button>
            <Button size="compact-md" variant="default" leftSection={<IconDownload size={17} />} aria-label={`${t('records.detail_download')}: ${title}`} loading={fetched.isPending} onClick={() => fetched.mutate()}>{t('records.detail_download')}</Button>
          </>
        )}
        {one.state === 'handed_off' ? <Button size="compact-md" leftSection={<IconCircleCheck size={17} />} aria-label={`${t('deliveries.filed')}: ${title}`} loading={decided.isPending} onClick={() => decided.mutate('filed')}>{t('deliveries.filed')}</Button>
          : <Button size="compact-md" leftSection={<IconRefresh size={17} />} aria-label={`${t('deliveries.retry')}: ${title}`} loading={decided.isPending} onClick={() => decided.mutate('retry')}>{t('deliveries.retry')}</Button>}
        <Button size="compact-md" variant="subtle" color="gray" aria-label={`${t(`deliveries.dismiss_${one.state as ToDo}`)}: ${title}`} onClick={() => setAsking(true)}>{t(`deliveries.dismiss_${one.state as ToDo}`)}</Button>
      </span>
      {decided.error ? <Told key={decided.submittedAt} tone="bad" text={why(decided.error)} /> : null}
      {looking ? <Look patient={one.patient_id} record={one.document_id} title={title} onClose={() => setLooking(false)} /> : null}
      {asking ? (
        <Confirm title={t(`deliveries.dismiss_ask_${one.state as ToDo}`, { title })} act={t(`deliveries.dismiss_${one.state as ToDo}`)} doing={() => decide(one.id, 'dismiss')} onDone={() => void renew()} onClose={() => setAsking(false)}>
          <p style={{ margin: 0 }}>{t(`deliveries.dismiss_more_${one.state as ToDo}`, { system: one.connection_name })}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

function Look({ patient, record, title, onClose }: { patient: string; record: string; title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const read = useQuery({ queryKey: ['vault', patient, 'record', record], queryFn: () => vault.readRecord(patient, record), retry: false });
  return (
    <Modal opened onClose={onClose} size="xl" title={<span className="modal-title"><bdi>{title}</bdi></span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {read.error ? <Note tone="bad"><p>{why(read.error)}</p></Note> : read.data ? <Content content={read.data} /> : <Waiting />}
    </Modal>
  );
}
