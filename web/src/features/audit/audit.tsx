/** The trail: who did what, when, from where; and a check that the log is whole. */
import { Button, SegmentedControl } from '@mantine/core';
import { IconHistory, IconShieldCheck } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import type { RecordType, TrailCheck } from '../../vault-worker/api.ts';

const Chart = lazy(() => import('../../ui/chart.tsx').then((module) => ({ default: module.Chart })));

interface Entry { id: number; actor: { kind: string; id?: string; name?: string }; action: string; at: string; types?: RecordType[]; count?: number; from?: string; record?: string; grant?: string }
interface Page { items: Entry[]; next: string | null }

const FILTERS = ['all', 'reads', 'changes', 'sharing', 'account'] as const;
const belongs: Record<(typeof FILTERS)[number], (action: string) => boolean> = {
  all: () => true,
  reads: (action) => /\.(read|list|open|download)$/.test(action),
  changes: (action) => /^record\.(create|update|delete|move)|^(batch|epoch)\./.test(action),
  sharing: (action) => /^(share|grant|request|link)\./.test(action),
  account: (action) => /^(session|account|password|profile|recovery)\./.test(action),
};

export function Activity() {
  const { t, i18n } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const [filter, setFilter] = useState<(typeof FILTERS)[number]>('all');
  const trail = useInfiniteQuery({
    queryKey: ['audit'],
    queryFn: ({ pageParam }) => call<Page>('GET', `/api/audit?limit=200${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const all = useMemo(() => trail.data?.pages.flatMap((page) => page.items) ?? [], [trail.data]);
  const shown = all.filter((entry) => belongs[filter](entry.action));
  const days = useMemo(() => {
    const counts = new Map<number, number>();
    for (const entry of all) {
      const date = new Date(entry.at);
      const at = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 1000;
      counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    return [...counts].map(([at, value]) => ({ at, value })).sort((one, other) => one.at - other.at);
  }, [all]);
  const action = (word: string) => {
    const table = i18n.getResource(i18n.language, 'translation', 'activity.actions') as Record<string, string> | undefined;
    return table?.[word] ?? word;
  };
  const who = (entry: Entry) => {
    if (entry.actor.id === account.id) return t('activity.you');
    if (entry.actor.name) return entry.actor.name;
    if (entry.actor.kind === 'link') return t('activity.link');
    return t(entry.actor.kind === 'system' ? 'activity.system' : 'activity.nobody');
  };
  if (trail.isPending) return <Waiting />;
  return (
    <>
      <Head title={t('activity.title')}>{t(account.kind === 'patient' ? 'activity.more' : 'activity.more_own')}</Head>
      <div className="stack">
        {trail.error ? <Note tone="bad"><p>{why(trail.error)}</p></Note> : null}
        <Verify />
        {days.length > 1 ? <section className="card"><h2>{t('activity.per_day')}</h2><Suspense fallback={<div className="chart" />}><Chart dots={days} label={t('activity.per_day')} unit="" bars /></Suspense></section> : null}
        <section className="card flush">
          <header className="between"><h2>{t('activity.what')}</h2><div className="scroll-x"><SegmentedControl size="xs" aria-label={t('activity.filter')} value={filter} onChange={(value) => setFilter(value as typeof filter)} data={FILTERS.map((one) => ({ value: one, label: t(`activity.filter_${one}`) }))} /></div></header>
          {shown.length === 0 ? <Empty icon={IconHistory} title={t('activity.empty')} /> : (
            <ul className="list">
              {shown.map((entry) => <EntryLine key={entry.id} entry={entry} who={who(entry)} action={action(entry.action)} />)}
            </ul>
          )}
          {trail.hasNextPage ? <p className="rest"><button type="button" className="link-button" onClick={() => void trail.fetchNextPage()}>{t('activity.older')}</button></p> : null}
        </section>
      </div>
    </>
  );
}

function EntryLine({ entry, who, action }: { entry: Entry; who: string; action: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const verify = useMutation({ mutationFn: () => vault.verifyEntry(entry.id) });
  const types = (entry.types ?? []).map((type) => t(`types.${type}`)).join(', ');
  return (
    <li className="line" style={{ display: 'block' }}>
      <div className="between">
        <span className="grow"><span className="t"><bdi>{who}</bdi></span> <span className="muted">· {action}</span>{entry.count ? <span className="muted"> · {t('activity.count', { count: entry.count })}</span> : null}<br /><span className="s num">{[moment(entry.at), entry.from, types].filter(Boolean).join(' · ')}</span></span>
        <button type="button" className="link-button small no-print" onClick={() => verify.mutate()} aria-label={`${t('activity.verify_one')}: ${action}, ${moment(entry.at)}`}>{t('activity.verify_one')}</button>
      </div>
      {verify.error ? <p className="small" role="alert" style={{ color: 'var(--bad-ink)', margin: 0 }}>{why(verify.error)}</p> : null}
      {verify.data ? <Steps check={verify.data} /> : null}
    </li>
  );
}

function Steps({ check }: { check: TrailCheck }) {
  const { t } = useTranslation();
  return (
    <div className="stack-s" role="status" style={{ marginTop: 12 }}>
      <Note tone={check.ok ? 'good' : 'bad'}><p>{t(check.ok ? 'activity.verified' : 'activity.failed')}</p></Note>
      <ul className="list small">
        {check.steps.map((step, at) => <li key={at} className="between" style={{ padding: '8px 0' }}><span className="grow">{t(`activity.step_${step.what}`)}<br /><span className="muted key">{step.detail}</span></span><Tag tone={step.ok ? 'good' : 'bad'}>{step.ok ? '✓' : '✗'}</Tag></li>)}
      </ul>
    </div>
  );
}

function Verify() {
  const { t } = useTranslation();
  const why = useWhy();
  const verify = useMutation({ mutationFn: () => vault.verifyTrail() });
  return (
    <section className="card no-print">
      <div className="between">
        <div className="grow"><h2 style={{ margin: '0 0 4px' }}>{t('activity.verify')}</h2><p className="muted" style={{ margin: 0, maxWidth: '62ch' }}>{t('activity.verify_more')}</p></div>
        <Button variant="default" leftSection={<IconShieldCheck size={18} />} loading={verify.isPending} onClick={() => verify.mutate()}>{t('activity.verify_do')}</Button>
      </div>
      {verify.error ? <Note tone="bad"><p>{why(verify.error)}</p></Note> : null}
      {verify.data ? <Steps check={verify.data} /> : null}
    </section>
  );
}
