/** What a connection is asked for, field by field; every fault stands beside its field. */
import { Autocomplete, NativeSelect, PasswordInput, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { findEndpoints } from '../../lib/practice.ts';
import { Note } from '../../ui/pieces.tsx';
import { type AuthKind, CLIENT_POLICIES, type Draft, type Fault, kindOf, REMOVAL_POLICIES, SCHEDULES, SECRETS, type Secrets, shardAddress } from './kinds.ts';

export interface FieldsProps { draft: Draft; faults: Record<string, string>; onChange: (part: Partial<Draft>) => void }

/** Faults in words; those of the server stand as they came. */
export function useFaultWords(): (found: Record<string, Fault>) => Record<string, string> {
  const { t } = useTranslation();
  return (found) => Object.fromEntries(Object.entries(found).map(([field, fault]) => [field, t(fault === 'needed' ? 'errors.needed' : `connections.fault_${fault}`)]));
}

/** The directory, where an administrator loaded one; without it nothing is shown. */
function FindEndpoint({ onFound }: { onFound: (found: { name: string; base_url: string }) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [asked] = useDebouncedValue(text.trim(), 200);
  const there = useQuery({ queryKey: ['directory', ''], queryFn: () => findEndpoints(''), retry: false });
  const found = useQuery({ queryKey: ['directory', asked], queryFn: () => findEndpoints(asked), enabled: asked.length >= 2 && (there.data?.length ?? 0) > 0 });
  if (!there.data?.length) return null;
  const say = (one: { name: string; base_url: string }) => `${one.name} · ${one.base_url}`;
  return (
    <Autocomplete
      size="md" label={t('connections.find')} description={t('connections.find_more')} placeholder={t('connections.find_placeholder')} leftSection={<IconSearch size={18} />} value={text}
      filter={({ options }) => options} data={[...new Set((found.data ?? []).map(say))]}
      onChange={(value) => {
        const one = (found.data ?? []).find((each) => say(each) === value);
        setText(one ? one.name : value);
        if (one) onFound(one);
      }}
    />
  );
}

/** `finds`: a provider may be looked up. */
export function PlaceFields({ draft, faults, onChange, finds = false }: FieldsProps & { finds?: boolean }) {
  const { t } = useTranslation();
  const kind = kindOf(draft.direction, draft.kind);
  return (
    <div className="stack-s">
      {finds ? <FindEndpoint onFound={(found) => onChange({ name: found.name.slice(0, 100), address: found.base_url })} /> : null}
      <TextInput label={t('connections.name')} description={t(`connections.name_more_${draft.direction}`)} autoComplete="off" maxLength={100} value={draft.name} onChange={(event) => onChange({ name: event.currentTarget.value })} error={faults.name} />
      <TextInput label={t('connections.address')} description={kind.address ? t('connections.address_known') : t('connections.address_more', { example: kind.example })} type="url" dir="ltr" autoComplete="off" spellCheck={false} value={draft.address} onChange={(event) => onChange({ address: event.currentTarget.value })} error={faults.address ?? faults.base_url} />
      {kind.kind === 'carepatron' ? <Note tone="warn"><p>{t('connections.carepatron_more')}</p></Note> : null}
      {kind.settings.map(({ name, required, example }) => (
        <TextInput key={name} label={t(`connections.setting_${name as 'provider_id'}`)} description={t(`connections.setting_${name as 'provider_id'}_more`)} placeholder={example} required={required} withAsterisk={false} dir="ltr" autoComplete="off" spellCheck={false} value={draft.settings[name] ?? ''} onChange={(event) => onChange({ settings: { ...draft.settings, [name]: event.currentTarget.value } })} error={faults[name]} />
      ))}
      {kind.json ? (
        <details open={draft.kind === 'rest' || faults.json !== undefined || draft.json !== ''}>
          <summary>{t('connections.settings')}</summary>
          <Textarea mt="xs" aria-label={t('connections.settings')} description={t(draft.kind === 'rest' ? 'connections.settings_rest' : 'connections.settings_more')} dir="ltr" autosize minRows={3} maxRows={14} spellCheck={false} styles={{ input: { fontFamily: 'ui-monospace, Menlo, monospace', fontSize: '0.88rem' } }} value={draft.json} onChange={(event) => onChange({ json: event.currentTarget.value })} error={faults.json ?? faults.settings} />
        </details>
      ) : null}
    </div>
  );
}

/** Secrets that are shown while they are typed, since nothing is lost by it. */
const PLAIN = new Set<keyof Secrets>(['username', 'header', 'client_id', 'key_id', 'token_url', 'scope']);

export function SecretFields({ draft, faults, onChange }: FieldsProps) {
  const { t } = useTranslation();
  const kind = kindOf(draft.direction, draft.kind);
  const { needs, may } = SECRETS[draft.auth];
  const set = (name: keyof Secrets, value: string) => {
    const shard = draft.kind === 'cliniko' && !draft.address ? shardAddress(value) : null;
    onChange({ secrets: { ...draft.secrets, [name]: value }, ...(shard ? { address: shard } : {}) });
  };
  return (
    <div className="stack-s">
      <NativeSelect label={t('connections.auth')} value={draft.auth} onChange={(event) => onChange({ auth: event.currentTarget.value as AuthKind })} data={kind.auth.map((one) => ({ value: one, label: t(`connections.auth_${one}`) }))} />
      {[...needs, ...may].map((name) => {
        const props = {
          label: `${t(`connections.secret_${name}`)}${may.includes(name) ? ` ${t('connections.optional')}` : ''}`, value: draft.secrets[name], error: faults[name] ?? null, dir: 'ltr', autoComplete: 'off', spellCheck: false,
          onChange: (event: { currentTarget: { value: string } }) => set(name, event.currentTarget.value),
        } as const;
        if (name === 'private_key') return <Textarea key={name} {...props} autosize minRows={4} maxRows={8} placeholder="-----BEGIN PRIVATE KEY-----" styles={{ input: { fontFamily: 'ui-monospace, Menlo, monospace', fontSize: '0.82rem' } }} />;
        return PLAIN.has(name) ? <TextInput key={name} {...props} /> : <PasswordInput key={name} {...props} autoComplete="new-password" />;
      })}
      <p className="small muted" style={{ margin: 0 }}>{t(draft.auth === 'none' ? 'connections.auth_none_more' : draft.auth === 'smart' ? 'connections.auth_smart_more' : 'connections.secrets_more')}</p>
    </div>
  );
}

/** `keeps`: what the server does not tell again may stay as it is. */
export function ScheduleFields({ draft, faults, onChange, keeps = false }: FieldsProps & { keeps?: boolean }) {
  const { t } = useTranslation();
  const asItIs = keeps ? [{ value: '', label: t('connections.as_it_is') }] : [];
  const known = (SCHEDULES as readonly string[]).includes(draft.schedule);
  return (
    <div className="stack-s">
      <NativeSelect label={t('connections.schedule')} description={t(`connections.schedule_more_${draft.direction}`)} value={known ? draft.schedule : 'own'} onChange={(event) => onChange({ schedule: event.currentTarget.value === 'own' ? '0 5 * * 1-5' : event.currentTarget.value })} data={[...SCHEDULES.map((one) => ({ value: one, label: t(`connections.schedule_${one}`) })), { value: 'own', label: t('connections.schedule_own') }]} />
      {known ? null : <TextInput label={t('connections.cron')} description={t('connections.cron_more')} dir="ltr" value={draft.schedule} onChange={(event) => onChange({ schedule: event.currentTarget.value })} error={faults.schedule} />}
      {draft.direction === 'destination' ? (
        <>
          <NativeSelect label={t('connections.clients')} description={t('connections.clients_more')} value={draft.client_policy} onChange={(event) => onChange({ client_policy: event.currentTarget.value as Draft['client_policy'] })} error={faults.client_policy} data={[...asItIs, ...CLIENT_POLICIES.map((one) => ({ value: one as string, label: t(`connections.clients_${one}`) }))]} />
          <NativeSelect label={t('connections.removals')} description={t('connections.removals_more')} value={draft.removal_policy} onChange={(event) => onChange({ removal_policy: event.currentTarget.value as Draft['removal_policy'] })} error={faults.removal_policy} data={[...asItIs, ...REMOVAL_POLICIES.map((one) => ({ value: one as string, label: t(`connections.removals_${one}`) }))]} />
        </>
      ) : null}
    </div>
  );
}
