/** What synchronisation did, line by line, as the server tells it. */
import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { listLogs } from '../../lib/practice.ts';
import { Note, Tag, Waiting } from '../../ui/pieces.tsx';

const TONES = { success: 'good', error: 'bad', pending: 'plain' } as const;

export function Story({ patient, names }: { patient: string; names: Map<string, string> }) {
  const { t } = useTranslation();
  const why = useWhy();
  const poll = usePoll(20_000);
  const logs = useInfiniteQuery({
    queryKey: ['logs', patient, 'story'], initialPageParam: '', queryFn: ({ pageParam }) => listLogs(patient, pageParam),
    getNextPageParam: (page) => page.next ?? undefined, refetchInterval: poll,
  });
  const lines = logs.data?.pages.flatMap((page) => page.items) ?? [];
  if (lines.length === 0 && !logs.error) return logs.isPending ? <Waiting /> : null;
  return (
    <section className="card flush" aria-label={t('connected.story')}>
      <header><h2>{t('connected.story')}</h2></header>
      {logs.error ? <div style={{ padding: 24 }}><Note tone="bad"><p>{why(logs.error)}</p></Note></div> : null}
      <ul className="list">
        {lines.map((one) => (
          <li key={one.id} className="line">
            <span><span className="t">{one.details}</span><br /><span className="s">{[moment(one.timestamp), one.connection_id ? names.get(one.connection_id) : null].filter(Boolean).join(' · ')}</span></span>
            <span className="e"><Tag tone={TONES[one.status]}>{t(`connected.line_${one.status}`)}</Tag></span>
          </li>
        ))}
      </ul>
      {logs.hasNextPage ? <div style={{ padding: '10px 24px 20px' }}><Button variant="default" loading={logs.isFetchingNextPage} onClick={() => void logs.fetchNextPage()}>{t('common.more')}</Button></div> : null}
    </section>
  );
}
