/** The accounting of disclosures: who outside was given what, to look at, to print and to take along. */
import { Button, TextInput } from '@mantine/core';
import { IconDownload, IconFileOff, IconPrinter } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { day, moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { ActivityFrame } from '../../ui/activity-frame.tsx';
import { save } from '../../ui/content.tsx';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';
import type { RecordType } from '../../vault-worker/api.ts';
import { useActionName, usePurposeName } from './activity.ts';
import { askFor, inOrder } from './filters.ts';

interface Disclosure {
  id: number; date: string; recipient: { kind: 'account' | 'link'; id: string; name: string | null }; action: string; record_types: RecordType[];
  count: number; record_id: string | null; purpose: string | null; grant_id: string | null;
}
interface DisclosurePage { patient_id: string; from: string; items: Disclosure[]; next: string | null }

/** Pages of 500 that a download gathers at most: a quarter of a million disclosures. */
const MOST_PAGES = 500;

export function Disclosures() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account, patient } = useMe();
  const poll = usePoll(60_000);
  const [period, setPeriod] = useState<{ from?: string; to?: string }>({});
  const ordered = inOrder(period);
  const page = (cursor: string) => call<DisclosurePage>('GET', `/api/audit/disclosures?${askFor(period, { account: account.id, patient }, cursor)}`);
  const list = useInfiniteQuery({
    queryKey: ['audit', 'disclosures', patient, period], queryFn: ({ pageParam }) => page(pageParam), initialPageParam: '',
    getNextPageParam: (one) => one.next ?? undefined, refetchInterval: poll, enabled: ordered && patient !== '',
  });
  const gather = async (): Promise<DisclosurePage> => {
    let one = await page('');
    const items = [...one.items];
    for (let pages = 1; one.next && pages < MOST_PAGES; pages += 1) {
      one = await page(one.next);
      items.push(...one.items);
    }
    return { ...one, items };
  };
  const take = useMutation({
    mutationFn: async () => {
      const all = await gather();
      const checkpoint = await call<string>('GET', '/api/audit/checkpoint');
      save(`disclosures-${new Date().toISOString().slice(0, 10)}.json`, JSON.stringify({ patient_id: all.patient_id, from: all.from, made_at: new Date().toISOString(), checkpoint, items: all.items }, null, 2), 'application/json');
    },
  });
  const print = useMutation({
    mutationFn: async () => {
      for (let more = list.hasNextPage, pages = 0; more && pages < MOST_PAGES; pages += 1) more = (await list.fetchNextPage()).hasNextPage;
    },
    onSuccess: () => setTimeout(() => window.print(), 50),
  });
  const items = list.data?.pages.flatMap((one) => one.items) ?? [];
  const [first] = list.data?.pages ?? [];
  const field = (name: 'from' | 'to') => ({ type: 'date', value: period[name] ?? '', onChange: (event: { currentTarget: { value: string } }) => setPeriod({ ...period, [name]: event.currentTarget.value || undefined }) });
  return (
    <ActivityFrame more={t('disclosures.more')}>
      <div className="stack">
        <section className="card no-print" aria-label={t('activity.filters')}>
          <div className="filters">
            <TextInput label={t('activity.from')} max={period.to} {...field('from')} />
            <TextInput label={t('activity.to')} min={period.from} {...field('to')} />
            <Button variant="default" leftSection={<IconDownload size={18} />} loading={take.isPending} disabled={items.length === 0} onClick={() => take.mutate()}>{t('disclosures.json')}</Button>
            <Button variant="default" leftSection={<IconPrinter size={18} />} loading={print.isPending} disabled={items.length === 0} onClick={() => print.mutate()}>{t('disclosures.print')}</Button>
          </div>
          {take.error ?? print.error ? <div style={{ marginTop: 14 }}><Note tone="bad"><p>{why(take.error ?? print.error)}</p></Note></div> : null}
        </section>
        {!ordered ? <Note tone="bad"><p>{t('activity.wrong_order')}</p></Note> : list.error ? <Note tone="bad"><p>{why(list.error)}</p></Note> : list.isPending ? <Waiting /> : (
          <section className="card flush printed-list">
            <div className="print-only"><h2>{t('disclosures.printed_title')}</h2><p>{t('disclosures.printed_for', { name: account.name, when: moment(new Date().toISOString()) })}</p></div>
            {items.length === 0 ? <Empty icon={IconFileOff} title={t('disclosures.empty')}><p>{t('disclosures.empty_more')}</p></Empty> : <Table items={items} />}
            {first ? <p className="rest small muted">{t('disclosures.complete_from', { when: day(first.from) })} {list.hasNextPage ? <button type="button" className="link-button no-print" onClick={() => void list.fetchNextPage()}>{t('activity.older')}</button> : null}</p> : null}
          </section>
        )}
      </div>
    </ActivityFrame>
  );
}

function Table({ items }: { items: Disclosure[] }) {
  const { t } = useTranslation();
  const action = useActionName();
  const purpose = usePurposeName();
  const heads = { date: t('disclosures.date'), recipient: t('disclosures.recipient'), how: t('disclosures.how'), what: t('disclosures.what'), purpose: t('disclosures.purpose') };
  return (
    <div className="scroll-x">
      <table className="plain fold">
        <thead><tr>{Object.entries(heads).map(([key, text]) => <th key={key} scope="col">{text}</th>)}</tr></thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.id}>
              <td data-label={heads.date} className="num">{moment(one.date)}</td>
              <td data-label={heads.recipient}><bdi>{one.recipient.name ?? t('disclosures.gone')}</bdi>{one.recipient.kind === 'link' ? <span className="muted"> {t('disclosures.by_link')}</span> : null}</td>
              <td data-label={heads.how}>{action(one.action)}</td>
              <td data-label={heads.what}>{one.record_types.map((type) => t(`types.${type}`)).join(', ') || t('disclosures.all_types')}{one.count ? <span className="muted"> · {t('activity.count', { count: one.count })}</span> : null}</td>
              <td data-label={heads.purpose}>{purpose(one.purpose) || <span className="muted">{t('disclosures.purpose_none')}</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
