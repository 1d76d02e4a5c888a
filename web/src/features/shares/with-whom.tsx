/** Who gets it: recipients of links, or a provider found in the directory with the fingerprint of their key. */
import { ActionIcon, Autocomplete, Button, SegmentedControl, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconFingerprint, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { findProviders, type Provider } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { Part } from './part.tsx';
import type { Problems, Recipient, Set, ShareData } from './record-sharing.tsx';

/** Most links that are made at a time. */
const MOST = 50;

export function WithWhom({ data, set, problems, fixed }: { data: ShareData; set: Set; problems: Problems; fixed: boolean }) {
  const { t } = useTranslation();
  if (fixed && data.provider) {
    return <Part title={t('shares.with')}><p style={{ margin: 0, fontWeight: 550 }}><bdi>{describe(data.provider)}</bdi></p><KeyOf provider={data.provider} /></Part>;
  }
  return (
    <Part title={t('shares.with')}>
      <SegmentedControl
        fullWidth value={data.way} onChange={(way) => set({ way: way as ShareData['way'] })} aria-label={t('shares.with')}
        data={[{ value: 'link', label: t('shares.by_link') }, { value: 'account', label: t('shares.by_account') }]}
      />
      <p className="small muted" style={{ margin: 0 }}>{t(data.way === 'link' ? 'shares.by_link_more' : 'shares.by_account_more')}</p>
      {data.way === 'link' ? <Recipients recipients={data.recipients} onChange={(recipients) => set({ recipients })} problems={problems.recipients} />
        : <FindProvider provider={data.provider} onFound={(provider) => set({ provider })} problem={problems.provider} />}
    </Part>
  );
}

function Recipients({ recipients, onChange, problems }: { recipients: Recipient[]; onChange: (recipients: Recipient[]) => void; problems: Problems['recipients'] }) {
  const { t } = useTranslation();
  const change = (at: number, part: Partial<Recipient>) => onChange(recipients.map((one, place) => (place === at ? { ...one, ...part } : one)));
  const several = recipients.length > 1;
  return (
    <>
      <ul className="recipients">
        {recipients.map((one, at) => (
          <li key={at} data-several={several || undefined}>
            <TextInput label={several ? t('shares.recipient_nth', { nth: at + 1 }) : t('shares.recipient')} maxLength={80} value={one.name} onChange={(event) => change(at, { name: event.currentTarget.value })} error={problems[at]?.name} autoFocus={several && at === recipients.length - 1} />
            <TextInput label={several ? t('shares.recipient_email_nth', { nth: at + 1 }) : t('shares.recipient_email')} type="email" value={one.email} onChange={(event) => change(at, { email: event.currentTarget.value })} error={problems[at]?.email} />
            {several ? (
              <ActionIcon variant="default" size="lg" aria-label={t('shares.recipient_remove', { name: one.name || String(at + 1) })} onClick={() => onChange(recipients.filter((_, place) => place !== at))}><IconTrash size={18} /></ActionIcon>
            ) : null}
          </li>
        ))}
      </ul>
      <div className="row">
        {recipients.length < MOST ? <Button size="compact-sm" variant="subtle" leftSection={<IconPlus size={16} />} onClick={() => onChange([...recipients, { name: '', email: '' }])}>{t('shares.recipient_add')}</Button> : null}
        {several ? <span className="small muted">{t('shares.recipient_each')}</span> : null}
      </div>
    </>
  );
}

const describe = (one: Provider) => [one.name, one.type, one.organization].filter(Boolean).join(' · ');

function FindProvider({ provider, onFound, problem }: { provider: Provider | null; onFound: (provider: Provider | null) => void; problem: string | null }) {
  const { t } = useTranslation();
  const [text, setText] = useState(provider ? describe(provider) : '');
  const [asked] = useDebouncedValue(text.trim(), 200);
  const found = useQuery({ queryKey: ['providers', asked], queryFn: () => findProviders(asked), enabled: asked.length >= 2 && !provider });
  return (
    <>
      <Autocomplete
        label={t('shares.provider')} placeholder={t('shares.provider_placeholder')} value={text} error={problem} size="md" filter={({ options }) => options}
        data={[...new Set((found.data ?? []).map(describe))]}
        onChange={(value) => {
          setText(value);
          onFound((found.data ?? []).find((one) => describe(one) === value) ?? null);
        }}
      />
      {found.data?.length === 0 && !provider ? <p className="small muted" style={{ margin: 0 }}>{t('shares.provider_none')}</p> : null}
      {provider ? <KeyOf provider={provider} /> : null}
    </>
  );
}

function KeyOf({ provider }: { provider: Provider }) {
  const { t } = useTranslation();
  const key = useQuery({ queryKey: ['fingerprint', provider.id], queryFn: () => vault.fingerprint(provider.id) });
  if (!key.data) return null;
  return (
    <div className="note">
      <IconFingerprint size={22} aria-hidden />
      <div className="grow">
        <b>{t('shares.fingerprint', { name: provider.name })}</b>
        <div className="key small">{key.data.fingerprint}</div>
        <p className="small muted">{t(key.data.is_new ? 'shares.fingerprint_new' : 'shares.fingerprint_known')}</p>
      </div>
    </div>
  );
}
