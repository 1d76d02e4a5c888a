/** Small pieces that every screen is made of. They know no records and no calls. */
import { IconAlertTriangle, IconCircleCheck, IconInfoCircle, IconMoodEmpty } from '@tabler/icons-react';
import { Loader } from '@mantine/core';
import type { ComponentType, ReactNode } from 'react';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="#12745f" />
      <circle cx="13" cy="13.2" r="5.1" fill="none" stroke="#fff" strokeWidth="2.6" />
      <path d="M16.8 16.9 24 24m-3.4-3.4 2.6-2.6" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
    </svg>
  );
}

/** The heading of a screen; it also names the tab. */
export function Head({ title, children, actions }: { title: string; children?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Chartkey`;
  }, [title]);
  return (
    <header className="head">
      <div className="grow">
        <h1>{title}</h1>
        {children ? <p>{children}</p> : null}
      </div>
      {actions ? <div className="row no-print">{actions}</div> : null}
    </header>
  );
}

type Tone = 'plain' | 'good' | 'warn' | 'bad';

/** A remark beside what it is about. Those that are bad are read out at once. */
export function Note({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  const Icon = tone === 'good' ? IconCircleCheck : tone === 'plain' ? IconInfoCircle : IconAlertTriangle;
  return (
    <div className={`note ${tone}`} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon size={20} aria-hidden />
      <div className="grow">{children}</div>
    </div>
  );
}

export function Tag({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`tag ${tone}`}>{children}</span>;
}

export function Empty({ icon: Icon = IconMoodEmpty, title, children }: { icon?: ComponentType<{ size?: number; stroke?: number }>; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon size={38} stroke={1.3} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Waiting({ what }: { what?: string }) {
  const { t } = useTranslation();
  return (
    <div className="center" role="status" aria-live="polite">
      <div style={{ textAlign: 'center' }}>
        <Loader size="sm" />
        <p className="muted small">{what ?? t('common.opening')}</p>
      </div>
    </div>
  );
}

/** A trend with its reference range behind it. The numbers stand beside it as text. */
export function Spark({ points, band, width = 120, height = 30 }: { points: [number, number][]; band?: [number, number] | null; width?: number; height?: number }) {
  if (points.length < 2) return null;
  const at = ([x, y]: [number, number]) => `${(x * width).toFixed(1)},${((1 - y) * height).toFixed(1)}`;
  const last = points.at(-1);
  return (
    <svg className="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {band ? <rect x="0" width={width} y={(1 - band[1]) * height} height={Math.max(1, (band[1] - band[0]) * height)} rx="2" /> : null}
      <polyline points={points.map(at).join(' ')} />
      {last ? <circle cx={last[0] * width} cy={(1 - last[1]) * height} r="2.4" /> : null}
    </svg>
  );
}
