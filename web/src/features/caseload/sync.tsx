/** One patient's synchronisation: what they are connected to, what came and went, and the log as a story. */
import { Button } from '@mantine/core';
import { IconAlertTriangle, IconBuildingHospital, IconCheck, IconClipboardHeart, IconClock, IconHistory, IconHospital, IconSend } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { bucket } from '../../lib/buckets.ts';
import { away, count, day, dayName, moment } from '../../lib/format.ts';
import { groupBy } from '../../lib/group.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { type Chart, detachPatient, listLogs, listPatientConnections, listSent, type LogLine, type PatientConnection, renewPractice } from '../../lib/practice.ts';
import { ConnectButton } from '../../ui/connect-button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { useProblem } from '../../ui/problem.ts';
import { ChartFrame } from './chart-frame.tsx';
import { type Chapter, story } from './story.ts';

const BarChart = lazy(() => import('../../ui/bars.tsx').then((module) => ({ default: module.BarChart })));

export function ChartSync() {
  return (
    <ChartFrame>
      {(chart) => (
        <div className="stack">
          <Connected chart={chart} />
          <Traffic patient={chart.id} />
          <Log patient={chart.id} />
        </div>
      )}
    </ChartFrame>
  );
}

const connectionsKey = (patient: string) => ['connections', 'of', patient];

function Connected({ chart }: { chart: Chart }) {
  const { t } = useTranslation();
  const why = useWhy();
  const found = useQuery({ queryKey: connectionsKey(chart.id), queryFn: () => listPatientConnections(chart.id) });
  return (
    <section className="card flush" aria-labelledby="connected">
      <header className="between">
        <h2 id="connected">{t('sync.connected')}</h2>
        <div className="row">
          <ConnectButton direction="source" patient={chart.id} size="compact-md" variant="default" />
          <ConnectButton direction="destination" patient={chart.id} size="compact-md" variant="default" />
        </div>
      </header>
      {found.isPending ? <Waiting /> : found.error ? <div className="padded"><Note tone="bad"><p>{why(found.error)}</p></Note></div>
        : found.data.length === 0 ? <Empty icon={IconHospital} title={t('sync.connected_none')}><p>{t('sync.connected_none_more')}</p></Empty>
          : <ul className="list">{found.data.map((one) => <ConnectedLine key={one.connection_id} one={one} chart={chart} />)}</ul>}
    </section>
  );
}

function ConnectedLine({ one, chart }: { one: PatientConnection; chart: Chart }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const problem = useProblem();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const Icon = one.direction === 'source' ? IconBuildingHospital : IconClipboardHeart;
  const mine = one.owner_id === account.id;
  return (
    <li className="line linked">
      <Icon size={22} stroke={1.5} aria-hidden />
      <span>
        {mine ? <Link to="/caseload/connections/$id" params={{ id: one.connection_id }} className="t"><bdi>{one.name}</bdi></Link> : <b><bdi>{one.name}</bdi></b>} <span className="s">{t(`connections.direction_${one.direction}`)}</span>
        <br />
        <span className="s">
          {one.problem ? <span className="urgent">{problem(one.problem)} </span> : null}
          {[one.last_run_at ? t('sync.last', { when: away(one.last_run_at) }) : t('sync.never'), one.next_due && one.state === 'ok' ? t('sync.next', { when: away(one.next_due) }) : '',
            one.record_types.length ? one.record_types.map((type) => t(`types.${type as 'documents'}`)).join(', ') : t('connections.all_types')].filter(Boolean).join(' · ')}
        </span>
      </span>
      <span className="row" style={{ justifyContent: 'flex-end' }}>
        <Tag tone={one.state === 'ok' ? 'good' : one.state === 'paused' ? 'plain' : 'bad'}>{t(`practice.state_${one.state}`)}</Tag>
        {mine ? <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setAsking(true)}>{t('connections.detach')}</Button> : null}
      </span>
      {asking ? (
        <Confirm title={t('connections.detach_ask', { name: chart.name, system: one.name })} act={t('connections.detach')} doing={() => detachPatient(one.connection_id, chart.id)} onDone={() => void renewPractice(queries)} onClose={() => setAsking(false)}>
          <p style={{ margin: 0 }}>{t(`connections.detach_more_${one.direction}`)}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

/** What arrived from elsewhere, and what was sent, by day. */
function Traffic({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const headers = useHeaders(patient);
  const sent = useQuery({ queryKey: ['deliveries', 'sent', patient], queryFn: () => listSent(patient) });
  const moments = useMemo(() => [
    ...(headers.data ?? []).filter((one) => !one.signed && !one.supporting).map((one) => ({ at: new Date(one.created_at).getTime(), group: 'arrived' as const })),
    ...(sent.data ?? []).map((one) => ({ at: new Date(one.updated_at).getTime(), group: 'sent' as const })),
  ], [headers.data, sent.data]);
  const buckets = useMemo(() => bucket(moments, ['arrived', 'sent']), [moments]);
  const bars = useMemo(() => [
    { name: t('sync.arrived'), values: buckets.counts.arrived, colour: 0 },
    { name: t('sync.sent'), values: buckets.counts.sent, colour: 2 },
  ], [buckets, t]);
  const names = useMemo(() => buckets.at.map(dayName), [buckets]);
  if (moments.length === 0) return null;
  const sum = (group: 'arrived' | 'sent') => moments.filter((one) => one.group === group).length;
  return (
    <section className="card" aria-label={t('sync.traffic')}>
      <dl className="tiles" style={{ margin: 0 }}>
        {(['arrived', 'sent'] as const).map((group) => <div key={group} className="stat-tile"><dt>{t(`sync.${group}`)}</dt><dd className="stat"><b>{count(sum(group))}</b></dd></div>)}
      </dl>
      {buckets.at.length > 1 ? <Suspense fallback={<div className="chart bars" />}><BarChart at={buckets.at} names={names} bars={bars} label={t('sync.traffic')} /></Suspense> : null}
    </section>
  );
}

const STATUSES = ['all', 'success', 'pending', 'error'] as const;

function Log({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [status, setStatus] = useState<(typeof STATUSES)[number]>('all');
  const list = useInfiniteQuery({
    queryKey: ['logs', patient], queryFn: ({ pageParam }) => listLogs(patient, pageParam), initialPageParam: '', getNextPageParam: (page) => page.next ?? undefined,
    // While something is on its way it is looked at again.
    refetchInterval: (query) => (query.state.data?.pages[0]?.items[0]?.status === 'pending' ? 2_000 : 30_000),
  });
  const headers = useHeaders(patient);
  const titles = useMemo(() => new Map((headers.data ?? []).map((one) => [one.id, one.title])), [headers.data]);
  const chapters = useMemo(() => story(list.data?.pages.flatMap((page) => page.items) ?? [], day), [list.data]);
  const counts = Object.fromEntries(STATUSES.map((one) => [one, chapters.filter(({ line }) => one === 'all' || line.status === one).length]));
  const told = chapters.filter(({ line }) => status === 'all' || line.status === status);
  const days = [...groupBy(told, ({ line }) => day(line.timestamp))];
  return (
    <section className="card flush" aria-labelledby="log">
      <header className="between">
        <h2 id="log">{t('sync.log')}</h2>
        <div className="chips" role="group" aria-label={t('sync.filter')}>
          {STATUSES.map((one) => <button type="button" key={one} className="chip" aria-pressed={status === one} onClick={() => setStatus(one)}>{t(`sync.status_${one}`)} <span className="num" style={{ opacity: 0.75 }}>{count(counts[one] ?? 0)}</span></button>)}
        </div>
      </header>
      {list.error ? <div className="padded"><Note tone="bad"><p>{why(list.error)}</p></Note></div> : list.isPending ? <Waiting /> : null}
      {list.data && told.length === 0 ? <Empty icon={IconHistory} title={t(status === 'all' ? 'sync.log_none' : 'sync.log_none_such')}>{status === 'all' ? <p>{t('sync.log_none_more')}</p> : null}</Empty> : null}
      {days.map(([name, of]) => (
        <div key={name}>
          <h3 className="group">{name}</h3>
          <ol className="story">{of.map((one) => <ChapterLine key={one.line.id} chapter={one} titles={titles} patient={patient} />)}</ol>
        </div>
      ))}
      {list.hasNextPage ? <p className="rest"><button type="button" className="link-button" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>{t('common.more')}</button></p> : null}
    </section>
  );
}

const ICONS = { success: IconCheck, pending: IconClock, error: IconAlertTriangle };
const time = (text: string) => new Date(text).toLocaleTimeString(undefined, { timeStyle: 'short' });

/**
 * What happened, in the reader's language. What has numbers or reasons in it is
 * told by the server, in English: elsewhere it stands below what it is about.
 */
function useSentence(): (line: LogLine, system: string | undefined) => { text: string; below: string | null } {
  const { t, i18n } = useTranslation();
  return (line, system) => {
    const step = line.step.replace('.', '_');
    const said = (table: 'step' | 'about') => (system && i18n.exists(`sync.${table}.${step}`) ? t(`sync.${table}.${step}` as 'sync.step.push_done', { system }) : null);
    const own = said('step');
    if (own) return { text: own, below: null };
    const about = i18n.language === 'en' ? null : said('about');
    return about ? { text: about, below: line.details } : { text: line.details, below: null };
  };
}

function ChapterLine({ chapter, titles, patient }: { chapter: Chapter; titles: ReadonlyMap<string, string>; patient: string }) {
  const { t } = useTranslation();
  const sentence = useSentence();
  const { line, count: many, documents } = chapter;
  const connected = useQuery({ queryKey: connectionsKey(patient), queryFn: () => listPatientConnections(patient) });
  const { text, below } = sentence(line, connected.data?.find((one) => one.connection_id === line.connection_id)?.name);
  const Icon = line.action === 'push' && line.status === 'success' ? IconSend : ICONS[line.status];
  const title = (id: string) => titles.get(id) ?? t('deliveries.document');
  const [only] = documents;
  return (
    <li data-step={line.step} data-status={line.status}>
      <span className={`mark ${line.status === 'success' ? 'good' : line.status === 'error' ? 'bad' : 'wait'}`}><Icon size={14} aria-hidden /><span className="vh">{t(`sync.status_${line.status}`)}</span></span>
      <div className="grow">
        <p><bdi>{text}</bdi>{many > 1 ? <b className="num"> {t('sync.documents', { count: many, shown: count(many) })}</b> : null}</p>
        {below ? <p className="small muted" lang="en"><bdi>{below}</bdi></p> : null}
        <p className="small muted"><time dateTime={line.timestamp} title={moment(line.timestamp)}>{time(line.timestamp)}</time> · {t(`sync.action_${line.action.replace(' ', '_') as 'push'}`)}{only && many === 1 ? <> · <Link to="/caseload/$id/record/$record" params={{ id: patient, record: only }}><bdi>{title(only)}</bdi></Link></> : null}</p>
        {many > 1 ? (
          <details className="small">
            <summary>{t('sync.which')}</summary>
            <ul className="plain-list">{documents.map((id) => <li key={id}><Link to="/caseload/$id/record/$record" params={{ id: patient, record: id }}><bdi>{title(id)}</bdi></Link></li>)}</ul>
          </details>
        ) : null}
      </div>
    </li>
  );
}
