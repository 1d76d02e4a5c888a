/** Every account: who they are, whether they are switched off. What they keep is not here. */
import { Button, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { away } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { OfficeFrame } from '../../ui/office-frame.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';

interface Listed { id: string; kind: string; name: string; email: string; email_verified: boolean; disabled: boolean; verification?: string | null; created_at: string }

const switchOff = (id: string, disabled: boolean) => ok(api.POST('/api/admin/accounts/{id}/disable', { params: { path: { id } }, body: { disabled } }));

export function Accounts() {
  const { t } = useTranslation();
  const why = useWhy();
  const [text, setText] = useState('');
  const list = useInfiniteQuery({
    queryKey: ['admin', 'accounts'],
    queryFn: ({ pageParam }) => ok(api.GET('/api/admin/accounts', { params: { query: { limit: 200, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  const wanted = text.trim().toLocaleLowerCase();
  const found = wanted ? all.filter((one) => `${one.name} ${one.email}`.toLocaleLowerCase().includes(wanted)) : all;
  return (
    <OfficeFrame>
      <section className="card flush">
        <header className="between">
          <h2>{t('admin.accounts')}</h2>
          <TextInput type="search" size="sm" leftSection={<IconSearch size={17} />} aria-label={t('office.find')} placeholder={t('office.find')} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        </header>
        {list.error ? <div style={{ padding: '0 24px 18px' }}><Note tone="bad"><p>{why(list.error)}</p></Note></div> : list.isPending ? <Waiting /> : null}
        {list.data && found.length === 0 ? <Empty title={t('office.find_none')} /> : null}
        <ul className="list">{found.map((one) => <Account key={one.id} account={one} />)}</ul>
        {list.hasNextPage ? <p className="rest"><button type="button" className="link-button" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>{t('common.more')}</button></p> : null}
      </section>
    </OfficeFrame>
  );
}

function Account({ account: one }: { account: Listed }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const { account } = useMe();
  const [asking, setAsking] = useState(false);
  const renew = () => queries.invalidateQueries({ queryKey: ['admin'] });
  const enable = useMutation({ mutationFn: () => switchOff(one.id, false), onSuccess: renew });
  const word = t(one.disabled ? 'admin.enable' : 'admin.disable');
  return (
    <li className="line">
      <span>
        <span className="t"><bdi>{one.name}</bdi></span> <Tag>{t(`admin.kind_${one.kind as 'patient'}`)}</Tag> {one.verification && one.verification !== 'verified' ? <Tag tone="warn">{t(`admin.${one.verification as 'pending'}`)}</Tag> : null} {one.disabled ? <Tag tone="bad">{t('admin.off')}</Tag> : null}
        <br /><span className="s">{[one.email, one.email_verified ? '' : t('office.unconfirmed_mail'), t('admin.registered', { when: away(one.created_at) })].filter(Boolean).join(' · ')}</span>
        {enable.error ? <p className="small urgent" role="alert" style={{ margin: 0 }}>{why(enable.error)}</p> : null}
      </span>
      {one.id === account.id ? <span /> : <Button size="compact-md" variant="default" aria-label={`${word}: ${one.name}`} loading={enable.isPending} onClick={() => (one.disabled ? enable.mutate() : setAsking(true))}>{word}</Button>}
      {asking ? (
        <Confirm title={t('office.disable_ask', { name: one.name })} act={t('admin.disable')} doing={() => switchOff(one.id, true)} onDone={() => void renew()} onClose={() => setAsking(false)}>
          <p style={{ margin: 0 }}>{t('office.disable_more')}</p>
        </Confirm>
      ) : null}
    </li>
  );
}
