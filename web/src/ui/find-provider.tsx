/** A provider out of the directory, with the fingerprint of their key. */
import { Autocomplete } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconFingerprint } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { findProviders, type Provider } from '../lib/sharing.ts';
import { vault } from '../lib/vault.ts';

export const describe = (one: Provider) => [one.name, one.type, one.organization].filter(Boolean).join(' · ');

export function FindProvider({ provider, onFound, problem }: { provider: Provider | null; onFound: (provider: Provider | null) => void; problem: string | null }) {
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

export function KeyOf({ provider }: { provider: Provider }) {
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
