/** The whole installation in counts; nothing medical is in them. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { count, size } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Period, periodQuery, type Series } from '../../lib/periods.ts';
import { CountsOver, PeriodChoice, Tiles } from '../../ui/counts.tsx';
import { OfficeFrame } from '../../ui/office-frame.tsx';
import { Note, Waiting } from '../../ui/pieces.tsx';

interface TotalsOf extends Series {
  accounts: { kind: string; count: number }[]; providers: { verification: string; count: number }[];
  patients: number; records: number; active_grants: number; active_shares: number; sealed_bytes: number;
}

export function Totals() {
  const { t } = useTranslation();
  const why = useWhy();
  const [period, setPeriod] = useState<Period>('days_30');
  const found = useQuery({
    queryKey: ['admin', 'totals', period], queryFn: () => call<TotalsOf>('GET', `/api/admin/analytics?${periodQuery(period, new Date())}`),
    placeholderData: keepPreviousData, refetchInterval: 60_000,
  });
  const verification = (word: string) => (['pending', 'verified', 'rejected', 'suspended'] as const).find((one) => one === word);
  return (
    <OfficeFrame more={t('numbers.more_admin')}>
      <div className="stack">
        {found.error ? <Note tone="bad"><p>{why(found.error)}</p></Note> : found.isPending ? <Waiting /> : (
          <>
            <Tiles
              label={t('numbers.accounts')}
              tiles={[
                [t('numbers.patients'), count(found.data.patients)], [t('numbers.records'), count(found.data.records)], [t('numbers.sealed'), size(found.data.sealed_bytes)],
                [t('numbers.active_shares'), count(found.data.active_shares)], [t('numbers.active_grants'), count(found.data.active_grants)],
                [t('numbers.accounts'), count(found.data.accounts.reduce((sum, one) => sum + one.count, 0))],
                ...found.data.providers.filter((one) => one.count > 0 && verification(one.verification)).map((one): [string, string] => [`${t('numbers.providers')}: ${t(`admin.${verification(one.verification) ?? 'pending'}`)}`, count(one.count)]),
              ]}
            />
            <PeriodChoice value={period} onChange={setPeriod} />
            <CountsOver series={found.data} />
          </>
        )}
      </div>
    </OfficeFrame>
  );
}
