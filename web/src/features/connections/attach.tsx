/** Choosing whom a connection serves: who they are there, what passes, and who authorised it while nobody has claimed the chart. */
import { Button, Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { IconCheck, IconSearch } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { clinicalDate, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Attachment, type Authorization, type Chart, type Connection, inOrder, renewPractice, useCharts } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { ChooseKinds, ChooseTypes } from '../../ui/choose-types.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { type Kind, KINDS, RECORD_TYPES, type RecordType, VaultFailure } from '../../vault-worker/api.ts';

const METHODS = ['paper', 'electronic', 'verbal', 'phone'] as const;
/** Patients that are drawn; more are found by searching. */
const SHOWN = 60;

interface Terms { types: RecordType[]; kinds: Kind[]; authorization: Authorization }

/** Sources are told by a call; for a platform the statement that lets it have records is signed by the vault. */
async function attach(connection: Connection, patient: string, remote: string, terms: Terms, needed: boolean) {
  const authorization = needed ? { ...terms.authorization, note: terms.authorization.note?.trim() || null } : null;
  if (connection.direction === 'destination') {
    await vault.attachDestination({
      connection: connection.id, patient, record_types: terms.types, kinds: terms.kinds, remote_patient_id: remote || null,
      authorization: authorization ? { obtained_on: authorization.obtained_on, method: authorization.method, ...(authorization.note ? { note: authorization.note } : {}) } : null,
    });
    return;
  }
  await ok(api.POST('/api/v1/connections/{id}/patients', {
    params: { path: { id: connection.id } }, body: { patient_id: patient, record_types: terms.types, ...(remote ? { remote_patient_id: remote } : {}), ...(authorization ? { authorization } : {}) },
  }));
}

export function AttachPatients({ connection, known, only, act, onDone }: {
  connection: Connection;
  /** Who is on it already; they are not offered. */
  known: readonly Attachment[];
  /** One patient alone: whoever was come from, or whose number there is to be said. */
  only?: string;
  act?: string;
  onDone?: (attached: number) => void;
}) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const charts = useCharts();
  const before = known.find((one) => one.patient_id === only);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(() => new Set(only ? [only] : []));
  const [remotes, setRemotes] = useState<Record<string, string>>(() => (before?.remote_patient_id && only ? { [only]: before.remote_patient_id } : {}));
  const [types, setTypes] = useState<RecordType[]>((before?.record_types ?? []) as RecordType[]);
  const [some, setSome] = useState((before?.record_types.length ?? 0) > 0);
  const [kinds, setKinds] = useState<Kind[]>([]);
  const [authorization, setAuthorization] = useState<Authorization>(before?.authorization ?? { obtained_on: '', method: 'paper', note: '' });
  const [text, setText] = useState('');
  const [tried, setTried] = useState(false);
  const [failed, setFailed] = useState<Record<string, unknown>>({});
  const [done, setDone] = useState<ReadonlySet<string>>(new Set());
  const source = connection.direction === 'source';
  const needsNumber = source && connection.credentials !== 'smart';
  const taken = useMemo(() => new Set(known.filter((one) => one.patient_id !== only).map((one) => one.patient_id)), [known, only]);
  const offered = useMemo(() => (charts.data ?? []).filter((one) => !taken.has(one.id) && (!only || one.id === only)), [charts.data, taken, only]);
  const wanted = text.trim().toLocaleLowerCase();
  const found = offered.filter((one) => !wanted || chosen.has(one.id) || `${one.name} ${one.email ?? ''} ${one.carepatron_patient_id ?? ''}`.toLocaleLowerCase().includes(wanted));
  const picked = offered.filter((one) => chosen.has(one.id) && !done.has(one.id));
  const unclaimed = picked.filter((one) => !one.claimed);
  const remote = (one: Chart) => (remotes[one.id] ?? (connection.kind === 'carepatron' ? one.carepatron_patient_id ?? '' : '')).trim();
  const today = new Date().toISOString().slice(0, 10);
  const dateProblem = tried && unclaimed.length > 0 && (!authorization.obtained_on || authorization.obtained_on > today) ? t(authorization.obtained_on ? 'connections.authorization_future' : 'errors.needed') : null;
  const methodProblem = tried && unclaimed.length > 0 && !authorization.method.trim() ? t('errors.needed') : null;
  const typesProblem = tried && some && types.length === 0 ? t('requests.choose_type') : null;
  const run = useMutation({
    mutationFn: async () => {
      let attached = 0;
      for (const one of picked) {
        try {
          await attach(connection, one.id, remote(one), { types: some ? inOrder(types) : [], kinds: KINDS.filter((one) => kinds.includes(one)), authorization }, !one.claimed);
          attached += 1;
          setDone((all) => new Set([...all, one.id]));
          setFailed((all) => Object.fromEntries(Object.entries(all).filter(([id]) => id !== one.id)));
        } catch (failure) {
          setFailed((all) => ({ ...all, [one.id]: failure }));
        }
      }
      return attached;
    },
    onSuccess: async (attached) => {
      await renewPractice(queries);
      if (attached === picked.length) onDone?.(attached);
    },
  });
  const start = () => {
    setTried(true);
    const lacks = picked.some((one) => needsNumber && !remote(one));
    const unsaid = unclaimed.length > 0 && (!authorization.obtained_on || authorization.obtained_on > today || !authorization.method.trim());
    if (picked.length > 0 && !lacks && !unsaid && !(some && types.length === 0)) run.mutate();
  };
  const toggle = (id: string) => setChosen((all) => {
    const next = new Set(all);
    if (!next.delete(id)) next.add(id);
    return next;
  });
  if (charts.isPending) return <Waiting />;
  if (charts.error) return <Note tone="bad"><p>{why(charts.error)}</p></Note>;
  if (offered.length === 0) return <Empty title={t('connections.attach_nobody')} />;
  return (
    <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); start(); }}>
      {offered.length > 6 ? <TextInput type="search" leftSection={<IconSearch size={18} />} aria-label={t('caseload.find')} placeholder={t('caseload.find')} value={text} onChange={(event) => setText(event.currentTarget.value)} /> : null}
      <ul className="list boxed pick" aria-label={t('connections.attach_whom')}>
        {found.slice(0, SHOWN).map((one) => {
          const failure = failed[one.id];
          const field = failure instanceof VaultFailure ? failure.failure.errors?.find((error) => error.field === 'remote_patient_id')?.message : undefined;
          return (
            <li key={one.id} className="pick-line" data-chart={one.name}>
              {only ? <b><bdi>{one.name}</bdi></b> : <Checkbox checked={chosen.has(one.id)} disabled={done.has(one.id)} onChange={() => toggle(one.id)} label={<bdi>{one.name}</bdi>} description={[one.email, clinicalDate(one.date_of_birth)].filter(Boolean).join(' · ')} />}
              {done.has(one.id) ? <Tag tone="good"><IconCheck size={14} aria-hidden /> {t('connections.attached')}</Tag> : null}
              {chosen.has(one.id) && !done.has(one.id) ? (
                <TextInput
                  mt={8} size="sm" label={t('connections.remote')} description={t(source ? 'connections.remote_source' : 'connections.remote_destination')} dir="ltr" autoComplete="off" spellCheck={false} maxLength={256}
                  value={remotes[one.id] ?? remote(one)} onChange={(event) => { const { value } = event.currentTarget; setRemotes((all) => ({ ...all, [one.id]: value })); }}
                  error={field ?? (tried && needsNumber && !remote(one) ? t('errors.needed') : null)}
                />
              ) : null}
              {failure && !field ? <p className="small urgent" role="alert" style={{ margin: '6px 0 0' }}>{why(failure)}</p> : null}
            </li>
          );
        })}
        {found.length === 0 ? <li className="pick-line muted">{t('caseload.none_found')}</li> : null}
        {found.length > SHOWN ? <li className="pick-line muted small">{t('connections.attach_more', { count: found.length - SHOWN, shown: count(found.length - SHOWN) })}</li> : null}
      </ul>
      {tried && picked.length === 0 && done.size === 0 ? <p className="small urgent" role="alert" style={{ margin: 0 }}>{t('connections.attach_choose')}</p> : null}
      <fieldset className="part">
        <legend>{t(source ? 'connections.what_source' : 'connections.what_destination')}</legend>
        <Checkbox label={t('connections.all_types')} checked={!some} onChange={(event) => setSome(!event.currentTarget.checked)} />
      </fieldset>
      {some ? <ChooseTypes legend={t('connections.types')} types={RECORD_TYPES} chosen={types} onChange={setTypes} problem={typesProblem} /> : null}
      {source ? null : <ChooseKinds legend={t('connections.kinds')} more={t('connections.kinds_more')} kinds={KINDS} chosen={kinds} onChange={setKinds} />}
      {unclaimed.length > 0 ? (
        <fieldset className="part">
          <legend>{t('connections.authorization')}</legend>
          <p className="small muted" style={{ margin: 0 }}>{t('connections.authorization_more', { count: unclaimed.length, name: unclaimed[0]?.name ?? '' })}</p>
          <div className="cols" style={{ gap: 14, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 200px), 1fr))' }}>
            <TextInput label={t('connections.authorization_on')} type="date" max={today} value={authorization.obtained_on} onChange={(event) => setAuthorization({ ...authorization, obtained_on: event.currentTarget.value })} error={dateProblem} />
            <NativeSelect
              label={t('connections.authorization_how')} value={authorization.method} onChange={(event) => setAuthorization({ ...authorization, method: event.currentTarget.value })} error={methodProblem}
              data={[...METHODS.map((one) => ({ value: one as string, label: t(`connections.method_${one}`) })), ...((METHODS as readonly string[]).includes(authorization.method) ? [] : [{ value: authorization.method, label: authorization.method }])]}
            />
          </div>
          <Textarea label={t('connections.authorization_note')} autosize minRows={2} maxRows={6} maxLength={1000} value={authorization.note ?? ''} onChange={(event) => setAuthorization({ ...authorization, note: event.currentTarget.value })} />
        </fieldset>
      ) : null}
      {Object.keys(failed).length > 0 && !run.isPending ? <Note tone="bad"><p>{t('connections.attach_failed', { count: Object.keys(failed).length, shown: count(Object.keys(failed).length) })}</p></Note> : null}
      <div className="row ends"><Button type="submit" loading={run.isPending}>{act ?? t('connections.attach', { count: Math.max(1, picked.length), shown: count(Math.max(1, picked.length)) })}</Button></div>
    </form>
  );
}
