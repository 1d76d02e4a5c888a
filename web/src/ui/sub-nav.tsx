/** The parts of a screen that is too much for one page. */
import { Link, type LinkProps } from '@tanstack/react-router';

export interface Part { to: LinkProps['to']; text: string; count?: number }

export function SubNav({ label, parts }: { label: string; parts: Part[] }) {
  return (
    <nav className="parts no-print" aria-label={label}>
      {parts.map(({ to, text, count }) => (
        <Link key={to} to={to} className="part-link" activeOptions={{ exact: true, includeSearch: false }}>
          {text}{count ? <span className="badge num">{count}</span> : null}
        </Link>
      ))}
    </nav>
  );
}
