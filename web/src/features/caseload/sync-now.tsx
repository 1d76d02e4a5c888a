/** Synchronising a patient now, and how it goes while it does. */
import { Button, CloseButton, Menu, Progress } from '@mantine/core';
import { IconArrowDownToArc, IconArrowUpToArc, IconArrowsExchange, IconCheck, IconRefresh } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { findSync, isOver, startSync, type SyncRun, type Way } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { Note, Tag } from '../../ui/pieces.tsx';
import { useProblem } from '../../ui/problem.ts';
import { Told } from '../../ui/told.tsx';
import { useBrought } from './brought.ts';

const ASK_MS = 700;

/** What somebody started here; kept with the answers, so that it goes on while other screens are looked at. */
interface Started { id: string; at: number }
const startedKey = (patient: string) => ['syncs', 'started', patient];
const useStarted = (patient: string) => useQuery<Started | null>({ queryKey: startedKey(patient), queryFn: () => null, enabled: false, initialData: null, staleTime: Infinity, gcTime: Infinity }).data;

export function SyncButton({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const start = useMutation({
    mutationFn: async (way: Way) => {
      const said = await startSync(patient, way);
      // What others wrote meanwhile can be sent only once its keys are sealed to the platform.
      if (way !== 'pull') await vault.sealOwed(patient).catch(() => undefined);
      return said;
    },
    onSuccess: (said) => queries.setQueryData(startedKey(patient), said.sync_id ? { id: said.sync_id, at: Date.now() } : null),
  });
  return (
    <>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target><Button leftSection={<IconRefresh size={18} />} loading={start.isPending}>{t('sync.now')}</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconArrowsExchange size={17} />} onClick={() => start.mutate('both')}>{t('sync.both')}</Menu.Item>
          <Menu.Item leftSection={<IconArrowDownToArc size={17} />} onClick={() => start.mutate('pull')}>{t('sync.pull')}</Menu.Item>
          <Menu.Item leftSection={<IconArrowUpToArc size={17} />} onClick={() => start.mutate('push')}>{t('sync.push')}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {start.error ? <Told key={start.submittedAt} tone="bad" text={why(start.error)} /> : null}
      {start.data && !start.data.sync_id ? <Told key={start.submittedAt} tone="bad" text={t('sync.nothing')} /> : null}
      {start.data?.sync_id && start.data.not_before ? <Told key={start.submittedAt} text={t('sync.not_before', { when: moment(start.data.not_before) })} /> : null}
    </>
  );
}

export function SyncPanel({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const started = useStarted(patient);
  const sync = useQuery({
    queryKey: ['syncs', started?.id], queryFn: () => findSync(started?.id ?? ''), enabled: started !== null,
    refetchInterval: (query) => (query.state.data && isOver(query.state.data.state) ? false : ASK_MS),
  });
  const over = sync.data ? isOver(sync.data.state) : false;
  useEffect(() => {
    if (!over) return;
    for (const word of ['logs', 'deliveries', 'connections']) void queries.invalidateQueries({ queryKey: [word] });
    void vault.settle(patient).catch(() => undefined).then(() => queries.invalidateQueries({ queryKey: ['vault', patient] }));
  }, [over, patient, queries]);
  if (!started) return null;
  const runs = sync.data?.runs ?? [];
  const done = runs.filter((one) => isOver(one.state)).length;
  return (
    <section className="card sync-panel" aria-label={t('sync.title')} data-state={sync.data?.state}>
      <div className="between" style={{ flexWrap: 'nowrap' }}>
        <h2>{t(over ? `sync.over_${sync.data?.state as 'done'}` : 'sync.running')}</h2>
        {over || sync.error ? <CloseButton aria-label={t('common.close')} onClick={() => queries.setQueryData(startedKey(patient), null)} /> : null}
      </div>
      {sync.error ? <Note tone="warn"><p>{why(sync.error)}</p></Note> : null}
      <Progress value={over ? 100 : 8 + (runs.length ? (done / runs.length) * 92 : 0)} animated={!over} size="sm" my={10} aria-label={t('sync.title')} color={sync.data?.state === 'failed' ? 'red' : 'pine'} />
      <div role="status"><ul className="sync-runs">{runs.map((one) => <Run key={one.connection_id} run={one} />)}</ul></div>
    </section>
  );
}

function Run({ run }: { run: SyncRun }) {
  const { t } = useTranslation();
  const brought = useBrought();
  const problem = useProblem();
  const Icon = run.direction === 'source' ? IconArrowDownToArc : IconArrowUpToArc;
  const over = isOver(run.state);
  return (
    <li>
      <Icon size={19} stroke={1.7} aria-hidden />
      <span className="grow"><b><bdi>{run.name}</bdi></b><br /><span className="small muted">{run.problem ? problem(run.problem) : over || run.counts.created + run.counts.updated > 0 ? brought(run.counts, run.direction) : t(run.direction === 'source' ? 'sync.reading' : 'sync.comparing')}{run.state === 'queued' && run.problem ? ` ${t('sync.again_at', { when: moment(run.run_at) })}` : ''}</span></span>
      <Tag tone={run.state === 'done' ? 'good' : run.state === 'failed' ? 'bad' : run.state === 'partial' ? 'warn' : 'plain'}>{run.state === 'done' ? <IconCheck size={14} aria-hidden /> : null} {t(`sync.state_${run.state}`)}</Tag>
    </li>
  );
}
