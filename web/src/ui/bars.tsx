/** Counts over time, one on the other; what is under the pointer is told in words, and the same stands in a table elsewhere. */
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { count, tickName } from '../lib/format.ts';

/** Colours that are told apart by lightness as well, and pass against both papers. */
const COLOURS = {
  light: ['#12745f', '#b4690e', '#4a5fb5', '#8b8f8d', '#a8281c', '#6b3f8f'],
  dark: ['#5fb799', '#f3c27a', '#9fb0ff', '#7d8985', '#ff9b8d', '#cfa6ef'],
};

export interface Bars { name: string; values: number[]; /** Its place among the colours; stays when others are hidden. */ colour: number }

const HEIGHT = 230;
const colour = (name: string, of: Element) => getComputedStyle(of).getPropertyValue(name).trim();

/** Sums from the first series up, so that bars stand on each other. */
export function stack(series: readonly { values: number[] }[], length: number): number[][] {
  const sums: number[][] = [];
  for (const one of series) {
    const below = sums.at(-1);
    sums.push(Array.from({ length }, (_, at) => (below?.[at] ?? 0) + (one.values[at] ?? 0)));
  }
  return sums;
}

/** `at` in seconds, the beginnings of the buckets; `names` of the buckets, for reading out. */
export function BarChart({ at, names, bars, label, onSelect }: {
  at: number[]; names: string[]; bars: Bars[]; label: string; onSelect?: (from: number, to: number) => void;
}) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme();
  const [over, setOver] = useState<number | null>(null);
  const select = useRef(onSelect);
  useEffect(() => {
    select.current = onSelect;
  }, [onSelect]);
  useEffect(() => {
    const place = box.current;
    if (!place || at.length === 0) return;
    const dark = scheme === 'dark';
    const ink = colour('--mantine-color-dimmed', place);
    const grid = dark ? '#2a3733' : '#e9e4d9';
    const sums = stack(bars, at.length);
    const top = Math.max(1, ...(sums.at(-1) ?? [0]));
    const long = (at.at(-1) ?? 0) - (at[0] ?? 0) > 300 * 86_400;
    const step = at.length > 1 ? (at[1] ?? 0) - (at[0] ?? 0) : 86_400;
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px "Inter Variable", sans-serif' };
    const plot = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: select.current !== undefined, y: false, setScale: false } },
        scales: {
          x: { time: true, range: () => [(at[0] ?? 0) - step * 0.6, (at.at(-1) ?? 0) + step * 0.6] },
          y: { range: () => [0, Math.max(4, top * 1.1)] },
        },
        axes: [{ ...axis, space: 64, values: (_, ticks) => ticks.map((tick) => tickName(tick, long)) }, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000] }],
        // The highest sum is drawn first, so that those below cover its foot.
        series: [{}, ...[...bars].reverse().map((one) => ({
          label: one.name, fill: COLOURS[dark ? 'dark' : 'light'][one.colour % 6], width: 0, points: { show: false },
          paths: uPlot.paths.bars?.({ size: [0.72, 30], radius: 0.12 }),
        }))],
        hooks: {
          setCursor: [(self) => setOver(self.cursor.idx ?? null)],
          setSelect: [(self) => {
            if (self.select.width < 8) return;
            const from = self.posToVal(self.select.left, 'x');
            const to = self.posToVal(self.select.left + self.select.width, 'x');
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            select.current?.(from, to);
          }],
        },
      },
      [at, ...[...sums].reverse()],
      place,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT }));
    watch.observe(place);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [at, bars, scheme]);
  const told = over === null ? null : bars.map((one) => `${one.name} ${count(one.values[over] ?? 0)}`).join(' · ');
  return (
    <div>
      <div ref={box} className="chart bars" role="img" aria-label={label} />
      <p className="small muted num read-out" aria-hidden>{told !== null && over !== null ? t('numbers.read_out', { when: names[over] ?? '', what: told }) : ' '}</p>
    </div>
  );
}

/** A patch in a series' colour, beside its name. */
export function Patch({ colour: at }: { colour: number }) {
  const scheme = useComputedColorScheme();
  return <svg width="11" height="11" aria-hidden="true" style={{ flex: 'none' }}><rect width="11" height="11" rx="3" fill={COLOURS[scheme][at % 6]} /></svg>;
}
