/** The half of the entry screens that says what this place is. */
import { useTranslation } from 'react-i18next';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Mark } from './pieces.tsx';

export function Entry({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <div className="auth">
      <aside className="auth-art">
        <Link to="/" className="brand"><Mark size={32} /> Chartkey</Link>
        <div>
          <h2>{t('accounts.art_title')}</h2>
          <p>{t('accounts.art_text')}</p>
        </div>
        <Keys />
      </aside>
      <main className="auth-main"><div className="auth-box">{children}</div></main>
    </div>
  );
}

/** A quiet picture: records as rings, one of them with a key. */
function Keys() {
  return (
    <svg className="keys" viewBox="0 0 420 120" aria-hidden="true" width="100%" style={{ maxWidth: 420, opacity: 0.75 }}>
      {[0, 1, 2, 3, 4, 5].map((n) => (
        <g key={n} transform={`translate(${n * 72 + 30} 60)`} fill="none" stroke={n === 2 ? '#83c9b0' : '#3d7c6c'} strokeWidth={n === 2 ? 3 : 1.5}>
          <circle r="24" />
          <circle r="15" opacity={n === 2 ? 1 : 0.5} />
          {n === 2 ? <path d="M17 17 44 44m-10-10 8-8" strokeLinecap="round" /> : null}
        </g>
      ))}
    </svg>
  );
}
