/** The verification queue and the accounts. Nothing medical is here. */
import { Button, SegmentedControl } from '@mantine/core';
import { IconUserCheck } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, call, ok } from '../../lib/api.ts';
import { away } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { Source } from '../../ui/content.tsx';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';

const STATES = ['pending', 'verified', 'rejected', 'suspended'] as const;

export function Admin() {
  const { t } = useTranslation();
  return (
    <>
      <Head title={t('admin.title')}>{t('admin.more')}</Head>
      <div className="stack"><Queue /><Accounts /><Checkpoint /></div>
    </>
  );
}

function Queue() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [state, setState] = useState<(typeof STATES)[number]>('pending');
  const list = useQuery({ queryKey: ['admin', 'providers', state], queryFn: () => ok(api.GET('/api/admin/providers', { params: { query: { verification: state, limit: 200 } } })) });
  const decide = useMutation({
    mutationFn: ({ id, decision }: { id: string; decision: string }) => ok(api.POST('/api/admin/providers/{id}/verification', { params: { path: { id } }, body: { decision } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['admin'] }),
  });
  return (
    <section className="card flush">
      <header className="between"><h2>{t('admin.queue')}</h2><div className="scroll-x"><SegmentedControl size="xs" value={state} onChange={(value) => setState(value as typeof state)} aria-label={t('admin.queue')} data={STATES.map((one) => ({ value: one, label: t(`admin.${one}`) }))} /></div></header>
      {decide.error ? <div style={{ padding: '0 24px 14px' }}><Note tone="bad"><p>{why(decide.error)}</p></Note></div> : null}
      {list.isPending ? <Waiting /> : list.error ? <div style={{ padding: 24 }}><Note tone="bad"><p>{why(list.error)}</p></Note></div>
        : list.data.items.length === 0 ? <Empty icon={IconUserCheck} title={t('admin.queue_empty')}><p>{t('admin.queue_empty_more')}</p></Empty> : (
          <ul className="list">
            {list.data.items.map((one) => (
              <li key={one.id} className="line share">
                <span><span className="t"><bdi>{one.name}</bdi></span> <span className="muted">{one.type}</span><br /><span className="s">{[one.organization, `${one.license_number ?? ''} (${one.license_country ?? ''})`, one.email].filter(Boolean).join(' · ')}</span><br /><span className="s">{t('admin.registered', { when: away(one.created_at) })}</span></span>
                <span className="row">
                  {state === 'verified' ? <Button size="compact-md" variant="default" onClick={() => decide.mutate({ id: one.id, decision: 'suspend' })}>{t('admin.suspend')}</Button> : (
                    <>
                      <Button size="compact-md" onClick={() => decide.mutate({ id: one.id, decision: 'approve' })}>{t('admin.approve')}</Button>
                      {state === 'pending' ? <Button size="compact-md" variant="default" onClick={() => decide.mutate({ id: one.id, decision: 'reject' })}>{t('admin.reject')}</Button> : null}
                    </>
                  )}
                </span>
              </li>
            ))}
          </ul>
        )}
    </section>
  );
}

function Accounts() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const { account } = useMe();
  const list = useInfiniteQuery({
    queryKey: ['admin', 'accounts'],
    queryFn: ({ pageParam }) => ok(api.GET('/api/admin/accounts', { params: { query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const disable = useMutation({
    mutationFn: ({ id, disabled }: { id: string; disabled: boolean }) => ok(api.POST('/api/admin/accounts/{id}/disable', { params: { path: { id } }, body: { disabled } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['admin'] }),
  });
  return (
    <section className="card flush">
      <header><h2>{t('admin.accounts')}</h2></header>
      {disable.error ?? list.error ? <div style={{ padding: '0 24px 14px' }}><Note tone="bad"><p>{why(disable.error ?? list.error)}</p></Note></div> : null}
      <ul className="list">
        {list.data?.pages.flatMap((page) => page.items).map((one) => (
          <li key={one.id} className="line">
            <span><span className="t"><bdi>{one.name}</bdi></span> <Tag>{t(`admin.kind_${one.kind as 'patient'}`)}</Tag> {one.disabled ? <Tag tone="bad">{t('admin.off')}</Tag> : null}<br /><span className="s">{one.email} · {t('admin.registered', { when: away(one.created_at) })}</span></span>
            {one.id === account.id ? <span /> : <Button size="compact-md" variant="default" aria-label={`${t(one.disabled ? 'admin.enable' : 'admin.disable')}: ${one.name}`} onClick={() => disable.mutate({ id: one.id, disabled: !one.disabled })}>{t(one.disabled ? 'admin.enable' : 'admin.disable')}</Button>}
          </li>
        ))}
      </ul>
      {list.hasNextPage ? <p className="rest"><button type="button" className="link-button" onClick={() => void list.fetchNextPage()}>{t('common.more')}</button></p> : null}
    </section>
  );
}

function Checkpoint() {
  const { t } = useTranslation();
  const note = useQuery({ queryKey: ['admin', 'checkpoint'], queryFn: () => call<string>('GET', '/api/audit/checkpoint') });
  return <section className="card"><h2>{t('admin.checkpoint')}</h2><p className="muted">{t('admin.checkpoint_more')}</p><Source text={note.data ?? ''} label={t('admin.checkpoint')} /></section>;
}
