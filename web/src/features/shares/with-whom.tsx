/** Who gets it: recipients of links, or a provider found in the directory with the fingerprint of their key. */
import { ActionIcon, Button, SegmentedControl, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { describe, FindProvider, KeyOf } from '../../ui/find-provider.tsx';
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
