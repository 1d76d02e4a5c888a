/** What one's record is connected to: where it is fed from, where it is pushed, what happened, and the end of it. */
import { Button } from '@mantine/core';
import { IconArrowLeft, IconArrowsExchange, IconPlayerPause, IconPlayerPlay, IconRefresh } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { away, moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { detachPatient, findSync, isOver, listPatientConnections, type PatientConnection, startSync, updateConnection } from '../../lib/practice.ts';
import { allShares } from '../../lib/sharing.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import type { RecordType } from '../../vault-worker/api.ts';
import { Story } from './story.tsx';

const TONES = { ok: 'good', needs_attention: 'bad', paused: 'plain' } as const;

export function Connected() {
  const { t } = useTranslation();
  const why = useWhy();
  const { patient } = useMe();
  const poll = usePoll(20_000);
  const found = useQuery({ queryKey: ['connections', patient], queryFn: () => listPatientConnections(patient), refetchInterval: poll });
  const shares = useQuery({ queryKey: ['shares', patient, 'all'], queryFn: () => allShares(patient) });
  const names = new Map((shares.data ?? []).flatMap((one) => (one.provider ? [[one.provider, one.name] as const] : [])));
  const all = found.data ?? [];
  const parts = [['source', all.filter((one) => one.direction === 'source')], ['destination', all.filter((one) => one.direction === 'destination')]] as const;
  return (
    <>
      <Head title={t('connected.title')} actions={<><Button component={Link} to="/sharing" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('shares.title')}</Button>{all.length > 0 ? <SyncNow patient={patient} /> : null}</>}>{t('connected.more')}</Head>
      <div className="stack">
        {found.error ? <Note tone="bad"><p>{why(found.error)}</p></Note> : found.isPending ? <Waiting /> : all.length === 0 ? (
          <section className="card"><Empty icon={IconArrowsExchange} title={t('connected.none')}><p>{t('connected.none_more')}</p></Empty></section>
        ) : parts.map(([direction, some]) => (
          <section key={direction} className="card flush" aria-label={t(`connected.${direction}s`)}>
            <header><h2>{t(`connected.${direction}s`)}</h2><p className="muted small" style={{ margin: 0 }}>{t(`connected.${direction}s_more`)}</p></header>
            {some.length === 0 ? <p className="muted" style={{ margin: 0, padding: '0 24px 22px' }}>{t(`connected.no_${direction}s`)}</p>
              : <ul className="list">{some.map((one) => <One key={one.connection_id} connection={one} patient={patient} owner={names.get(one.owner_id) ?? null} />)}</ul>}
          </section>
        ))}
        {found.data ? <Story patient={patient} names={new Map(all.map((one) => [one.connection_id, one.name]))} /> : null}
      </div>
    </>
  );
}

function One({ connection, patient, owner }: { connection: PatientConnection; patient: string; owner: string | null }) {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const queries = useQueryClient();
  const [stopping, setStopping] = useState(false);
  const { connection_id: id, name, state } = connection;
  const mine = connection.owner_id === account.id;
  const renew = () => Promise.all([queries.invalidateQueries({ queryKey: ['connections', patient] }), queries.invalidateQueries({ queryKey: ['logs', patient] })]);
  const pause = useMutation({ mutationFn: () => updateConnection(id, { paused: state !== 'paused' }), onSuccess: renew });
  // A provider where the patient signs in themselves may want that once more.
  const expired = connection.direction === 'source' && connection.kind === 'fhir' && state === 'needs_attention' && connection.problem === 'connection.auth';
  const signIn = useMutation({
    mutationFn: () => call<{ authorize_url: string }>('POST', `/api/v1/connections/${id}/launch`, { patient_id: patient }),
    onSuccess: (begun) => location.assign(begun.authorize_url),
  });
  const types = connection.record_types as RecordType[];
  const pushes = connection.direction === 'destination';
  return (
    <li className="line share">
      <span>
        <span className="t"><bdi>{name}</bdi></span> <Tag tone={TONES[state]}>{t(`connected.state_${state}`)}</Tag>
        <br />
        <span className="s">{mine ? t('connected.by_you') : owner ? <bdi>{t('connected.by', { name: owner })}</bdi> : t('connected.by_somebody')} · {types.length > 0 ? types.map((type) => t(`types.${type}`)).join(', ') : t(pushes ? 'connected.all_covered' : 'connected.all_types')}</span>
        <br />
        <span className="s">{connection.last_run_at ? t('connected.last_run', { when: away(connection.last_run_at) }) : t('connected.never_run')}{connection.next_due && state !== 'paused' ? ` · ${t('connected.next_run', { when: moment(connection.next_due) })}` : ''}</span>
        {state === 'needs_attention' ? <><br /><span className="s urgent">{t(mine ? 'connected.attention_mine' : 'connected.attention')}</span></> : null}
        {pause.error ?? signIn.error ? <Note tone="bad"><p>{why(pause.error ?? signIn.error)}</p></Note> : null}
      </span>
      <span className="row">
        {expired ? <Button size="compact-md" loading={signIn.isPending || signIn.isSuccess} aria-label={`${t('connected.sign_in')}: ${name}`} onClick={() => signIn.mutate()}>{t('connected.sign_in')}</Button> : null}
        {mine ? (
          <Button size="compact-md" variant="default" loading={pause.isPending} aria-label={`${t(state === 'paused' ? 'connected.resume' : 'connected.pause')}: ${name}`} leftSection={state === 'paused' ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />} onClick={() => pause.mutate()}>
            {t(state === 'paused' ? 'connected.resume' : 'connected.pause')}
          </Button>
        ) : null}
        <Button size="compact-md" variant="default" aria-label={`${t('connected.stop')}: ${name}`} onClick={() => setStopping(true)}>{t('connected.stop')}</Button>
      </span>
      {stopping ? (
        <Confirm title={t('connected.stop_ask', { name })} act={t('connected.stop')} doing={() => detachPatient(id, patient)} onDone={() => void renew()} onClose={() => setStopping(false)}>
          <p style={{ margin: 0 }}>{t(pushes ? 'connected.stop_destination' : 'connected.stop_source', { name })}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

/** Asks for a run of everything, and follows it to its end. */
function SyncNow({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [sync, setSync] = useState<string | null>(null);
  const start = useMutation({ mutationFn: () => startSync(patient, 'both'), onSuccess: (started) => setSync(started.sync_id ?? null) });
  const running = useQuery({
    queryKey: ['syncs', sync], enabled: sync !== null,
    queryFn: async () => {
      const now = await findSync(sync ?? '');
      if (isOver(now.state)) {
        await Promise.all(['connections', 'logs'].map((word) => queries.invalidateQueries({ queryKey: [word, patient] })));
        await queries.invalidateQueries({ queryKey: ['vault', patient] });
      }
      return now;
    },
    refetchInterval: (query) => (query.state.data && isOver(query.state.data.state) ? false : 1_500),
  });
  const now = running.data;
  const busy = start.isPending || (sync !== null && !running.error && !(now && isOver(now.state)));
  const brought = now && isOver(now.state) ? t(`connected.ran_${now.state === 'failed' ? 'failed' : 'done'}`, { created: now.counts.created, updated: now.counts.updated }) : start.isSuccess && sync === null ? t('connected.ran_nothing') : '';
  const failure = start.error ?? running.error;
  return (
    <>
      <span role="status" className="small muted">{failure ? why(failure) : busy ? t('connected.running') : brought}</span>
      <Button leftSection={<IconRefresh size={18} />} loading={busy} onClick={() => start.mutate()}>{t('connected.sync')}</Button>
    </>
  );
}
