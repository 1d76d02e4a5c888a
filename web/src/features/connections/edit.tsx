/** Changing a connection. Its secrets are not shown: they stay as they are, or are given anew. */
import { Button, Checkbox } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { type Connection, type ConnectionChange, renewPractice, updateConnection } from '../../lib/practice.ts';
import { Note } from '../../ui/pieces.tsx';
import { Told } from '../../ui/told.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { PlaceFields, ScheduleFields, SecretFields, useFaultWords } from './fields.tsx';
import { type AuthKind, credentialsOf, type Draft, draftOf, type Fault, faults, forgetsSecrets, kindOf, noSecrets, SECRETS, settingsOf } from './kinds.ts';

/** The connection as a form has it: settings of its own fields apart from the rest. */
function draftFrom(one: Connection): Draft {
  const own = new Set(kindOf(one.direction, one.kind).settings.map(({ name }) => name));
  const all = Object.entries(one.settings as Record<string, unknown>);
  const rest = all.filter(([name]) => !own.has(name));
  return {
    ...draftOf(one.direction), kind: one.kind, name: one.name, address: one.base_url, auth: one.credentials as AuthKind, schedule: one.schedule,
    settings: Object.fromEntries(all.filter(([name, value]) => own.has(name) && value !== null).map(([name, value]) => [name, String(value)])),
    client_policy: '', removal_policy: '',
    json: rest.length ? JSON.stringify(Object.fromEntries(rest), null, 2) : '',
  };
}

const sameSettings = (one: Draft, other: Draft) => one.json.trim() === other.json.trim() && JSON.stringify(one.settings) === JSON.stringify(other.settings);

export function EditConnection({ one }: { one: Connection }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const words = useFaultWords();
  const [before, setBefore] = useState(() => draftFrom(one));
  const [draft, setDraft] = useState(before);
  const [anew, setAnew] = useState(false);
  const [touched, setTouched] = useState(false);
  const forgets = forgetsSecrets(one, draft.address, draft.auth);
  const secrets = anew || forgets;
  // Rules for clients and removals are not told by the server: where settings are sent, they must be said.
  const resends = draft.client_policy !== '' || draft.removal_policy !== '' || !sameSettings(before, draft);
  const unsaid = one.direction === 'destination' && resends ? (['client_policy', 'removal_policy'] as const).filter((rule) => draft[rule] === '') : [];
  const wrong: Record<string, Fault> = { ...faults(draft), ...Object.fromEntries(unsaid.map((rule) => [rule, 'needed' as const])) };
  const found = Object.fromEntries(Object.entries(wrong).filter(([field]) => secrets || !SECRETS[draft.auth].needs.some((need) => need === field)));
  const save = useMutation({
    mutationFn: () => {
      const change: ConnectionChange = {
        name: draft.name.trim(), base_url: draft.address.trim(), schedule: draft.schedule.trim(),
        ...(secrets ? { credentials: credentialsOf(draft.auth, draft.secrets) } : {}),
        ...(resends ? { settings: settingsOf(draft) as Record<string, never> } : {}),
      };
      return updateConnection(one.id, change);
    },
    onSuccess: async () => {
      const kept: Draft = { ...draft, secrets: noSecrets, client_policy: '', removal_policy: '' };
      setBefore(kept);
      setDraft(kept);
      setAnew(false);
      setTouched(false);
      await renewPractice(queries);
    },
  });
  const refused = save.error instanceof VaultFailure ? Object.fromEntries((save.error.failure.errors ?? []).map((error) => [error.field, error.message])) : {};
  const shown = { ...(touched ? words(found) : {}), ...refused };
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part });
    save.reset();
  };
  return (
    <section className="card" aria-labelledby="edit">
      <h2 id="edit">{t('connections.edit')}</h2>
      <form className="stack" style={{ marginTop: 12 }} noValidate onSubmit={(event) => { event.preventDefault(); setTouched(true); if (Object.keys(found).length === 0) save.mutate(); }}>
        <PlaceFields draft={draft} faults={shown} onChange={change} />
        {forgets ? <Note tone="warn"><p>{t('connections.forgets')}</p></Note> : <Checkbox label={t('connections.secrets_anew')} description={t('connections.secrets_kept', { how: t(`connections.auth_${one.credentials as AuthKind}`) })} checked={anew} onChange={(event) => { setAnew(event.currentTarget.checked); if (!event.currentTarget.checked) change({ auth: before.auth, secrets: before.secrets }); }} />}
        {secrets ? <SecretFields draft={draft} faults={shown} onChange={change} /> : null}
        <ScheduleFields draft={draft} faults={shown} onChange={change} keeps />
        {save.error && Object.keys(refused).length === 0 ? <Note tone="bad"><p>{why(save.error)}</p></Note> : null}
        {save.isSuccess ? <Told key={save.submittedAt} text={t('common.saved')} /> : null}
        <div className="row ends"><Button type="submit" loading={save.isPending}>{t('common.save')}</Button></div>
      </form>
    </section>
  );
}
