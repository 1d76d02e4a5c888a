/** The trail: who did what, when, from where; filtered, charted, and checked. */
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { IconFilterOff, IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { bucket } from '../../lib/buckets.ts';
import { count, dayName } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { ActivityFrame } from '../../ui/activity-frame.tsx';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';
import { RECORD_TYPES } from '../../vault-worker/api.ts';
import { type Entry, type Page, useWho } from './activity.ts';
import { EntryLine } from './entry.tsx';
import { askFor, dayOf, type Filter, GROUPS, groupOf, inOrder, isFiltered, readFilter, WHATS } from './filters.ts';
import { Verify } from './verify.tsx';

const BarChart = lazy(() => import('../../ui/bars.tsx').then((module) => ({ default: module.BarChart })));
const Patch = lazy(() => import('../../ui/bars.tsx').then((module) => ({ default: module.Patch })));

/** Pages of 500 that are fetched without being asked for, so that the chart tells of more than the newest. */
const PAGES = 4;
/** Lines that are drawn before somebody asks for more. */
const LINES = 100;

export function Activity() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account, patient } = useMe();
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const filter = useMemo(() => readFilter(search), [search]);
  const navigate = useNavigate();
  const set = (next: Filter) => void navigate({ to: '/activity', search: next as never, replace: true });
  const poll = usePoll(30_000);
  const ordered = inOrder(filter);
  const { type, ...asked } = filter;
  const trail = useInfiniteQuery({
    queryKey: ['audit', account.id, patient, asked],
    queryFn: ({ pageParam }) => call<Page>('GET', `/api/audit?${askFor(asked, { account: account.id, patient: patient || null }, pageParam)}`),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: poll,
    enabled: ordered,
  });
  const { hasNextPage, isFetching, fetchNextPage, data } = trail;
  useEffect(() => {
    if (hasNextPage && !isFetching && (data?.pages.length ?? 0) < PAGES) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, data]);
  const all = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const shown = useMemo(() => (type ? all.filter((entry) => entry.types?.includes(type)) : all), [all, type]);
  return (
    <ActivityFrame more={t(account.kind === 'patient' ? 'activity.more' : 'activity.more_own')}>
      <div className="stack">
        <Verify />
        <Filters filter={filter} entries={all} onChange={set} />
        {!ordered ? <Note tone="bad"><p>{t('activity.wrong_order')}</p></Note> : trail.error ? <Retry text={why(trail.error)} onRetry={() => void trail.refetch()} /> : trail.isPending ? <Waiting /> : (
          <>
            <Over entries={shown} onSelect={(from, to) => set({ ...filter, from, to })} />
            <List entries={shown} filtered={isFiltered(filter)} more={hasNextPage} loading={isFetching} onMore={() => void fetchNextPage()} />
          </>
        )}
      </div>
    </ActivityFrame>
  );
}

function Retry({ text, onRetry }: { text: string; onRetry: () => void }) {
  const { t } = useTranslation();
  return <Note tone="bad"><div className="between"><p className="grow">{text}</p><Button size="compact-md" variant="default" onClick={onRetry}>{t('common.again')}</Button></div></Note>;
}

function Filters({ filter, entries, onChange }: { filter: Filter; entries: Entry[]; onChange: (filter: Filter) => void }) {
  const { t } = useTranslation();
  const { account } = useMe();
  const who = useWho();
  // Whoever was met stays to be chosen, though a filter hides them now.
  const [met, setMet] = useState<ReadonlyMap<string, Entry['actor']>>(new Map());
  useEffect(() => {
    setMet((before) => {
      const next = new Map(before);
      for (const { actor } of entries) if (actor.id && actor.id !== account.id) next.set(actor.id, actor);
      return next.size === before.size ? before : next;
    });
  }, [entries, account.id]);
  const set = (part: Partial<Filter>) => onChange(readFilter({ ...filter, ...part }));
  const people = [...met].map(([id, actor]) => ({ value: id, label: who(actor) })).sort((one, other) => one.label.localeCompare(other.label));
  if (filter.who && filter.who !== 'me' && !met.has(filter.who)) people.push({ value: filter.who, label: who({ kind: 'link', id: filter.who }) });
  const own = account.kind !== 'patient';
  return (
    <section className="card no-print" aria-label={t('activity.filters')}>
      <div className="filters">
        {own ? null : (
          <NativeSelect
            label={t('activity.who')} value={filter.what === 'account' ? 'me' : filter.who ?? ''} disabled={filter.what === 'account'} onChange={(event) => set({ who: event.currentTarget.value })}
            data={[{ value: '', label: t('activity.who_all') }, { value: 'me', label: t('activity.you') }, ...people]}
          />
        )}
        <NativeSelect
          label={t('activity.what')} value={filter.what ?? ''} onChange={(event) => set({ what: event.currentTarget.value as Filter['what'] })}
          data={[{ value: '', label: t('activity.what_all') }, ...WHATS.map((one) => ({ value: one, label: t(`activity.what_${one}`) }))]}
        />
        <NativeSelect
          label={t('activity.type')} value={filter.type ?? ''} onChange={(event) => set({ type: event.currentTarget.value as Filter['type'] })}
          data={[{ value: '', label: t('activity.type_all') }, ...RECORD_TYPES.map((one) => ({ value: one, label: t(`types.${one}`) }))]}
        />
        <TextInput type="date" label={t('activity.from')} value={filter.from ?? ''} max={filter.to} onChange={(event) => set({ from: event.currentTarget.value })} />
        <TextInput type="date" label={t('activity.to')} value={filter.to ?? ''} min={filter.from} onChange={(event) => set({ to: event.currentTarget.value })} />
        {isFiltered(filter) ? <Button variant="subtle" leftSection={<IconFilterOff size={18} />} onClick={() => onChange({})}>{t('activity.reset')}</Button> : null}
      </div>
    </section>
  );
}

function Over({ entries, onSelect }: { entries: Entry[]; onSelect: (from: string, to: string) => void }) {
  const { t } = useTranslation();
  const counted = useMemo(() => bucket(entries.map((entry) => ({ at: new Date(entry.at).getTime(), group: groupOf(entry.action) })), GROUPS), [entries]);
  const bars = useMemo(() => GROUPS.map((group, colour) => ({ name: t(`activity.group_${group}`), values: counted.counts[group], colour })).filter((one) => one.values.some((value) => value > 0)), [counted, t]);
  const names = useMemo(() => counted.at.map((at) => dayName(at)), [counted]);
  if (counted.at.length < 2) return null;
  const label = `${t('activity.chart')}, ${t(`activity.per_${counted.step}`)}`;
  return (
    <section className="card">
      <div className="between"><h2>{label}</h2><Suspense><Legend bars={bars} /></Suspense></div>
      <Suspense fallback={<div className="chart bars" />}>
        <BarChart at={counted.at} names={names} bars={bars} label={label} onSelect={(from, to) => onSelect(dayOf(from), dayOf(to))} />
      </Suspense>
      <p className="small muted no-print" style={{ margin: 0 }}>{t('activity.chart_hint')}</p>
    </section>
  );
}

function Legend({ bars }: { bars: { name: string; colour: number }[] }) {
  return <ul className="legend small">{bars.map((one) => <li key={one.name}><Patch colour={one.colour} /> {one.name}</li>)}</ul>;
}

function List({ entries, filtered, more, loading, onMore }: { entries: Entry[]; filtered: boolean; more: boolean; loading: boolean; onMore: () => void }) {
  const { t } = useTranslation();
  const who = useWho();
  const [lines, setLines] = useState(LINES);
  return (
    <section className="card flush">
      <header className="between"><h2>{t('activity.tab_entries')}</h2><span className="muted small num" role="status">{t('activity.shown', { count: entries.length, shown: count(entries.length) })}</span></header>
      {entries.length === 0 ? (
        <Empty icon={IconHistory} title={t(filtered ? 'activity.empty_filtered' : 'activity.empty')}>{filtered ? <p>{t('activity.empty_filtered_more')}</p> : null}</Empty>
      ) : <ul className="list">{entries.slice(0, lines).map((entry) => <EntryLine key={entry.id} entry={entry} who={who(entry.actor)} />)}</ul>}
      {entries.length > lines ? <p className="rest"><button type="button" className="link-button" onClick={() => setLines(lines + LINES)}>{t('activity.more_entries')} ({count(entries.length - lines)})</button></p>
        : more ? <p className="rest">{entries.length ? <span className="muted small">{t('activity.newest_only', { shown: count(entries.length) })} </span> : null}<button type="button" className="link-button" disabled={loading} onClick={onMore}>{t('activity.older')}</button></p> : null}
    </section>
  );
}
