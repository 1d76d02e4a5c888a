/** Records by day, the newest first; only what is on the screen is drawn. */
import { Link, type LinkProps } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Entry } from '../lib/find.ts';
import { clinicalDate } from '../lib/format.ts';
import { Tag } from './pieces.tsx';

export function Timeline({ entries, link }: { entries: Entry[]; link: (id: string) => Pick<LinkProps, 'to' | 'params'> }) {
  const { t } = useTranslation();
  const frame = useRef<HTMLDivElement>(null);
  // The virtualizer keeps state of its own, which React's compiler must leave alone.
  const rows = useVirtualizer({ count: entries.length, getScrollElement: () => frame.current, estimateSize: () => 66, overscan: 12 });
  return (
    // A scrolled region must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="card flush slide" ref={frame} tabIndex={0} role="region" aria-label={t('records.timeline')} style={{ height: `min(72vh, ${Math.max(80, entries.length * 68)}px)` }}>
      <ul className="list" style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {rows.getVirtualItems().map((row) => {
          const entry = entries[row.index];
          if (!entry) return null;
          const { header } = entry;
          const date = clinicalDate(header.date);
          const before = entries[row.index - 1];
          const same = before !== undefined && clinicalDate(before.header.date) === date;
          return (
            <li key={header.id} ref={rows.measureElement} data-index={row.index} className="abs" style={{ transform: `translateY(${row.start}px)` }}>
              <Link {...link(header.id)} className="line timeline">
                <span className="when num">{same ? <span className="vh">{date}</span> : date || t('records.undated')}</span>
                <span>
                  <span className="t">{header.title}</span>
                  <br />
                  <span className="s">{[t(`types.${header.record_type}`), header.author_name].filter(Boolean).join(' · ')}</span>
                </span>
                <span className="e">{header.value ?? ''} {header.kinds.map((kind) => <Tag key={kind} tone="warn">{t(`kinds.${kind}`)}</Tag>)}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
