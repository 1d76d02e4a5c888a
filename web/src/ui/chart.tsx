/** A line over time with its reference range; the numbers stand beside it in a table. */
import { useComputedColorScheme, useMantineTheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Dot { at: number; value: number }

const colour = (name: string, of: Element) => getComputedStyle(of).getPropertyValue(name).trim();

/** `dots` oldest first, `at` in seconds since 1970; `range` in the same unit. */
export function Chart({ dots, range, label, unit, bars = false }: { dots: Dot[]; range?: [number | null, number | null]; label: string; unit: string; bars?: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme();
  const theme = useMantineTheme();
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const dark = scheme === 'dark';
    const accent = dark ? theme.colors.pine?.[4] ?? '#5fb799' : theme.colors.pine?.[7] ?? '#12745f';
    const ink = colour('--mantine-color-dimmed', place);
    const grid = dark ? '#2a3733' : '#e9e4d9';
    const [low, high] = range ?? [null, null];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px "Inter Variable", sans-serif' };
    const plot = new uPlot(
      {
        width: place.clientWidth,
        height: 240,
        legend: { show: false },
        cursor: { points: { size: 8 }, drag: { x: true, y: false } },
        scales: {
          x: { time: true },
          y: {
            range: (_, min, max) => {
              const from = bars ? 0 : Math.min(min, low ?? min);
              const to = Math.max(max, high ?? max);
              const room = (to - from || Math.abs(to) || 1) * 0.12;
              return [bars ? 0 : from - room, to + room];
            },
          },
        },
        axes: [axis, { ...axis, size: 52 }],
        series: [
          {},
          bars
            ? { label, fill: accent, width: 0, paths: uPlot.paths.bars?.({ size: [0.7, 26], radius: 0.25 }), points: { show: false } }
            : { label, stroke: accent, width: 2, points: { size: 6, fill: accent, stroke: accent } },
        ],
        hooks: {
          drawClear: [(self) => {
            if (low === null && high === null) return;
            const y = (value: number) => self.valToPos(value, 'y', true);
            const top = high === null ? self.bbox.top : Math.max(self.bbox.top, y(high));
            const bottom = low === null ? self.bbox.top + self.bbox.height : Math.min(self.bbox.top + self.bbox.height, y(low));
            self.ctx.fillStyle = dark ? 'rgb(95 183 153 / 13%)' : 'rgb(18 116 95 / 9%)';
            self.ctx.fillRect(self.bbox.left, top, self.bbox.width, Math.max(0, bottom - top));
          }],
        },
      },
      [dots.map((dot) => dot.at), dots.map((dot) => dot.value)],
      place,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 240 }));
    watch.observe(place);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [dots, range, label, bars, scheme, theme]);
  return <div ref={box} className="chart" role="img" aria-label={unit ? `${label} (${unit})` : label} />;
}
