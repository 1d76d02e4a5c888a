/** The parts of a screen that is too much for one page. */
import { Link, type LinkProps } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';

export interface Part { to: LinkProps['to']; text: string; count?: number }

export function SubNav({ label, parts }: { label: string; parts: Part[] }) {
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the part that is shown may stand outside of what is seen.
  useEffect(() => {
    const here = nav.current?.querySelector<HTMLElement>('[aria-current=page]');
    if (nav.current && here) nav.current.scrollLeft = here.offsetLeft - nav.current.offsetLeft - 24;
  });
  return (
    <nav ref={nav} className="parts no-print" aria-label={label}>
      {parts.map(({ to, text, count }) => (
        <Link key={to} to={to} className="part-link" activeOptions={{ exact: true, includeSearch: false }}>
          {text}{count ? <span className="badge num">{count}</span> : null}
        </Link>
      ))}
    </nav>
  );
}
