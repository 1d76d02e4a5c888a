/** How sharing went over time: a patient's own, or what a provider was given. Counts and record types. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { type Period, periodQuery, type Series } from '../../lib/periods.ts';
import { ActivityFrame } from '../../ui/activity-frame.tsx';
import { CountsOver, PeriodChoice } from '../../ui/counts.tsx';
import { Note, Waiting } from '../../ui/pieces.tsx';
import type { RecordType } from '../../vault-worker/api.ts';

interface Analytics extends Series { by_type: { record_type: RecordType; count: number }[] }

export function Numbers() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const poll = usePoll(60_000);
  const [period, setPeriod] = useState<Period>('days_30');
  const found = useQuery({
    queryKey: ['analytics', account.id, period], queryFn: () => call<Analytics>('GET', `/api/analytics?${periodQuery(period, new Date())}`),
    placeholderData: keepPreviousData, refetchInterval: poll,
  });
  return (
    <ActivityFrame more={t(account.kind === 'provider' ? 'numbers.more_provider' : 'numbers.more')}>
      <div className="stack">
        <PeriodChoice value={period} onChange={setPeriod} />
        {found.error ? <Note tone="bad"><p>{why(found.error)}</p></Note> : found.isPending ? <Waiting /> : (
          <>
            <CountsOver series={found.data} />
            {found.data.by_type.length > 0 ? <ByType types={found.data.by_type} /> : null}
          </>
        )}
      </div>
    </ActivityFrame>
  );
}

function ByType({ types }: { types: Analytics['by_type'] }) {
  const { t } = useTranslation();
  const most = Math.max(1, ...types.map((one) => one.count));
  return (
    <section className="card">
      <h2>{t('numbers.by_type')}</h2>
      <p className="muted" style={{ margin: 0 }}>{t('numbers.by_type_more')}</p>
      <ul className="weights">
        {[...types].sort((one, other) => other.count - one.count).map((one) => (
          <li key={one.record_type}><span>{t(`types.${one.record_type}`)}</span><meter min={0} max={most} value={one.count} aria-label={t(`types.${one.record_type}`)} /><span className="num">{count(one.count)}</span></li>
        ))}
      </ul>
    </section>
  );
}
