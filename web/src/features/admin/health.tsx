/** How the installation is: work, mail, sizes, the log. Nobody's data. */
import { Button } from '@mantine/core';
import { IconCircleCheck, IconMailForward } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, call, ok } from '../../lib/api.ts';
import { away, count, lasting, size } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { Tiles } from '../../ui/counts.tsx';
import { OfficeFrame } from '../../ui/office-frame.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';

const STATES = ['ready', 'running', 'needs_sender', 'dead', 'done'] as const;
type State = (typeof STATES)[number];
interface Job { id: string; kind: string; state: 'dead' | 'needs_sender'; attempts: number; last_error: string | null; updated_at: string }
interface SystemHealth {
  version: string; started_at: string; uptime_secs: number; jobs: Partial<Record<State, number>>; mail: Partial<Record<State, number>>; troubled: Job[];
  database_bytes: number; trail_size: number; keys_size: number; checkpoint: { tree_size: number; signed_at: string } | null;
}

export function Health() {
  const { t } = useTranslation();
  const why = useWhy();
  const health = useQuery({ queryKey: ['admin', 'health'], queryFn: () => call<SystemHealth>('GET', '/api/admin/health'), refetchInterval: 15_000 });
  const { data } = health;
  return (
    <OfficeFrame more={t('office.health_more')}>
      <div className="stack">
        {health.error ? <Note tone="bad"><p>{why(health.error)}</p></Note> : health.isPending ? <Waiting /> : null}
        {data ? (
          <>
            <Note tone={data.troubled.length ? 'warn' : 'good'}><p>{data.troubled.length ? t('office.bad', { count: data.troubled.length }) : t('office.good')}</p></Note>
            <Tiles
              label={t('office.tab_health')}
              tiles={[
                [t('office.version'), data.version], [t('office.uptime'), lasting(data.uptime_secs)], [t('office.database'), size(data.database_bytes)],
                [t('office.trail_size'), count(data.trail_size)], [t('office.keys_size'), count(data.keys_size)], [t('office.signed'), data.checkpoint ? away(data.checkpoint.signed_at) : t('office.never')],
              ]}
            />
            <div className="cols"><States title={t('office.jobs')} counts={data.jobs} /><States title={t('office.mail')} counts={data.mail} retry /></div>
            <Troubled jobs={data.troubled} />
          </>
        ) : null}
      </div>
    </OfficeFrame>
  );
}

function States({ title, counts, retry = false }: { title: string; counts: Partial<Record<State, number>>; retry?: boolean }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const again = useMutation({ mutationFn: () => ok(api.POST('/api/admin/jobs/retry', { body: { kind: 'mail.send' } })), onSuccess: () => queries.invalidateQueries({ queryKey: ['admin', 'health'] }) });
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="facts pairs">{STATES.map((one) => <div key={one}><dt>{t(`office.state_${one}`)}</dt><dd className="num">{count(counts[one] ?? 0)}</dd></div>)}</dl>
      {retry && (counts.dead ?? 0) > 0 ? <Button mt="md" size="compact-md" variant="default" leftSection={<IconMailForward size={17} />} loading={again.isPending} onClick={() => again.mutate()}>{t('office.retry')}</Button> : null}
      {again.data ? <p className="small" role="status">{t('office.retried', { count: again.data.retried })}</p> : null}
      {again.error ? <Note tone="bad"><p>{why(again.error)}</p></Note> : null}
    </section>
  );
}

function Troubled({ jobs }: { jobs: Job[] }) {
  const { t, i18n } = useTranslation();
  const name = (kind: string) => (i18n.getResource(i18n.language, 'translation', 'office.kind') as Record<string, string> | undefined)?.[kind] ?? kind;
  return (
    <section className="card flush">
      <header><h2>{t('office.troubled')}</h2></header>
      {jobs.length === 0 ? <Empty icon={IconCircleCheck} title={t('office.troubled_none')}><p>{t('office.troubled_none_more')}</p></Empty> : (
        <ul className="list">
          {jobs.map((job) => (
            <li key={job.id} className="line">
              <span><span className="t">{name(job.kind)}</span> <Tag tone={job.state === 'dead' ? 'bad' : 'warn'}>{t(`office.state_${job.state}`)}</Tag><br /><span className="s">{[job.last_error, t('office.attempts', { count: job.attempts })].filter(Boolean).join(' · ')}</span></span>
              <span className="e s">{away(job.updated_at)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
