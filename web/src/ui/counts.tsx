/** Counts of sharing over time: tiles, a chart of whichever are chosen, and the same as a table. */
import { SegmentedControl } from '@mantine/core';
import { IconChartBar } from '@tabler/icons-react';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count } from '../lib/format.ts';
import { COUNTS, type Count, isEmpty, type Period, PERIODS, type Series } from '../lib/periods.ts';
import { Empty } from './pieces.tsx';

const BarChart = lazy(() => import('./bars.tsx').then((module) => ({ default: module.BarChart })));
const Patch = lazy(() => import('./bars.tsx').then((module) => ({ default: module.Patch })));

export function PeriodChoice({ value, onChange }: { value: Period; onChange: (period: Period) => void }) {
  const { t } = useTranslation();
  return (
    <div className="scroll-x no-print">
      <SegmentedControl aria-label={t('numbers.period')} value={value} onChange={(next) => onChange(next as Period)} data={PERIODS.map((one) => ({ value: one, label: t(`numbers.${one}`) }))} />
    </div>
  );
}

/** Numbers with their names, as tiles. */
export function Tiles({ label, tiles }: { label: string; tiles: [string, string][] }) {
  return <section aria-label={label}><dl className="tiles" style={{ margin: 0 }}>{tiles.map(([name, value]) => <div key={name} className="tile stat-tile"><dt>{name}</dt><dd className="n num">{value}</dd></div>)}</dl></section>;
}

export function CountsOver({ series }: { series: Series }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<ReadonlySet<Count>>(new Set(['accesses', 'downloads', 'shares_created', 'grants_created']));
  const toggle = (one: Count) => {
    const next = new Set(chosen);
    if (!next.delete(one)) next.add(one);
    setChosen(next);
  };
  const at = useMemo(() => series.buckets.map((one) => new Date(`${one.start}T00:00:00`).getTime() / 1000), [series]);
  const names = useMemo(() => series.buckets.map((one) => clinicalDate(series.interval === 'month' ? one.start.slice(0, 7) : one.start)), [series]);
  const bars = useMemo(() => COUNTS.map((one, colour) => ({ one, name: t(`numbers.${one}`), values: series.buckets.map((bucket) => bucket[one]), colour })).filter(({ one }) => chosen.has(one)), [series, chosen, t]);
  return (
    <>
      <Tiles label={t('numbers.more')} tiles={COUNTS.map((one) => [t(`numbers.${one}`), count(series.totals[one])])} />
      <section className="card">
        <h2>{t('numbers.over_time')}</h2>
        {isEmpty(series.totals) ? <Empty icon={IconChartBar} title={t('numbers.nothing')}><p>{t('numbers.nothing_more')}</p></Empty> : (
          <Suspense fallback={<div className="chart bars" />}>
            <div className="chips no-print" role="group" aria-label={t('numbers.choose')} style={{ margin: '10px 0 14px' }}>
              {COUNTS.map((one, colour) => (
                <button key={one} type="button" className="chip soft" aria-pressed={chosen.has(one)} onClick={() => toggle(one)}><Patch colour={colour} /> {t(`numbers.${one}`)}</button>
              ))}
            </div>
            <BarChart at={at} names={names} bars={bars} label={t('numbers.over_time')} />
            <details className="small"><summary>{t('numbers.table')}</summary><CountTable series={series} names={names} /></details>
          </Suspense>
        )}
      </section>
    </>
  );
}

function CountTable({ series, names }: { series: Series; names: string[] }) {
  const { t } = useTranslation();
  return (
    // A scrolled region must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="scroll-x" tabIndex={0} role="region" aria-label={t('numbers.table')}>
      <table className="plain">
        <thead><tr><th scope="col">{t('numbers.when')}</th>{COUNTS.map((one) => <th key={one} scope="col">{t(`numbers.${one}`)}</th>)}</tr></thead>
        <tbody>{series.buckets.map((bucket, at) => <tr key={bucket.start}><th scope="row">{names[at]}</th>{COUNTS.map((one) => <td key={one} className="num">{count(bucket[one])}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}
