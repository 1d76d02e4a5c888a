/** The verification queue. Nothing medical is here. */
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { IconUserCheck } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { away } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { OfficeFrame } from '../../ui/office-frame.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';

const STATES = ['pending', 'verified', 'rejected', 'suspended'] as const;
type Decision = 'approve' | 'reject' | 'suspend';
interface Provider { id: string; name: string; email: string; email_verified: boolean; type?: string | null; organization?: string | null; license_number?: string | null; license_country?: string | null; created_at: string }

export function Admin() {
  return <OfficeFrame><Queue /></OfficeFrame>;
}

const tell = (id: string, decision: Decision, reason: string) =>
  ok(api.POST('/api/admin/providers/{id}/verification', { params: { path: { id } }, body: { decision, ...(reason.trim() ? { reason: reason.trim() } : {}) } }));

function Queue() {
  const { t } = useTranslation();
  const why = useWhy();
  const [state, setState] = useState<(typeof STATES)[number]>('pending');
  // Nobody is told of registrations, so the queue looks for itself.
  const list = useQuery({
    queryKey: ['admin', 'providers', state], queryFn: () => ok(api.GET('/api/admin/providers', { params: { query: { verification: state, limit: 200 } } })), refetchInterval: 30_000,
  });
  return (
    <section className="card flush">
      <header className="between"><h2>{t('admin.queue')}</h2><div className="scroll-x"><SegmentedControl size="xs" value={state} onChange={(value) => setState(value as typeof state)} aria-label={t('admin.queue')} data={STATES.map((one) => ({ value: one, label: t(`admin.${one}`) }))} /></div></header>
      {list.isPending ? <Waiting /> : list.error ? <div style={{ padding: 24 }}><Note tone="bad"><p>{why(list.error)}</p></Note></div>
        : list.data.items.length === 0 ? <Empty icon={IconUserCheck} title={t('admin.queue_empty')}><p>{t('admin.queue_empty_more')}</p></Empty>
          : <ul className="list">{list.data.items.map((one) => <Waits key={one.id} provider={one} state={state} />)}</ul>}
    </section>
  );
}

function Waits({ provider, state }: { provider: Provider; state: (typeof STATES)[number] }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [asking, setAsking] = useState<'reject' | 'suspend' | null>(null);
  const [reason, setReason] = useState('');
  const renew = () => queries.invalidateQueries({ queryKey: ['admin'] });
  const approve = useMutation({ mutationFn: () => tell(provider.id, 'approve', ''), onSuccess: renew });
  const { name } = provider;
  const license = [provider.license_number, provider.license_country ? `(${provider.license_country})` : ''].filter(Boolean).join(' ');
  return (
    <li className="line share">
      <span>
        <span className="t"><bdi>{name}</bdi></span> <span className="muted">{provider.type}</span>
        <br /><span className="s">{[provider.organization, license, provider.email].filter(Boolean).join(' · ')}</span>
        <br /><span className="s">{t('admin.registered', { when: away(provider.created_at) })}</span> <Tag tone={provider.email_verified ? 'plain' : 'warn'}>{t(provider.email_verified ? 'office.confirmed_mail' : 'office.unconfirmed_mail')}</Tag>
        {approve.error ? <p className="small urgent" role="alert" style={{ margin: 0 }}>{why(approve.error)}</p> : null}
      </span>
      <span className="row">
        {state === 'verified' ? <Button size="compact-md" variant="default" onClick={() => setAsking('suspend')}>{t('admin.suspend')}</Button> : (
          <>
            <Button size="compact-md" loading={approve.isPending} onClick={() => approve.mutate()}>{t('admin.approve')}</Button>
            {state === 'pending' ? <Button size="compact-md" variant="default" onClick={() => setAsking('reject')}>{t('admin.reject')}</Button> : null}
          </>
        )}
      </span>
      {asking ? (
        <Confirm title={t(`office.${asking}_ask`, { name })} act={t(`admin.${asking}`)} doing={() => tell(provider.id, asking, reason)} onDone={() => void renew()} onClose={() => setAsking(null)}>
          <p style={{ margin: 0 }}>{t(`office.${asking}_more`)}</p>
          <TextInput label={t('office.reason')} maxLength={500} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        </Confirm>
      ) : null}
    </li>
  );
}
