/** What surrounds one patient's parts: who they are, how the chart stands, and a synchronisation while it runs. */
import { Button } from '@mantine/core';
import { IconArrowLeft, IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, day, moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Chart, findChart } from '../../lib/practice.ts';
import { Head, Note, Waiting } from '../../ui/pieces.tsx';
import { SubNav } from '../../ui/sub-nav.tsx';
import { AccessBadge, ClaimBadge } from './badges.tsx';
import { ChartMenu } from './chart-menu.tsx';
import { accessOf, claimOf } from './standing.ts';
import { SyncButton, SyncPanel } from './sync-now.tsx';

export const useChart = (id: string) => useQuery({ queryKey: ['charts', id], queryFn: () => findChart(id), retry: false });

export function ChartFrame({ children }: { children: (chart: Chart) => ReactNode }) {
  const { t } = useTranslation();
  const why = useWhy();
  const navigate = useNavigate();
  const { id = '' } = useParams({ strict: false });
  const found = useChart(id);
  const back = <Button component={Link} to="/caseload" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('practice.tab_caseload')}</Button>;
  if (found.isPending) return <Waiting />;
  if (found.error) return <><Head title={t('practice.tab_caseload')} actions={back} /><Note tone="bad"><p>{why(found.error)}</p></Note></>;
  const chart = found.data;
  // The clock of when it was asked for: close enough for days.
  const claim = claimOf(chart, found.dataUpdatedAt);
  const access = accessOf(chart, found.dataUpdatedAt);
  return (
    <>
      <Head
        title={chart.name}
        actions={<>{back}<Button component={Link} to={`/caseload/${id}/add`} variant="default" leftSection={<IconPlus size={18} />}>{t('caseload.add')}</Button><SyncButton patient={id} /><ChartMenu chart={chart} onDeleted={() => void navigate({ to: '/caseload' })} /></>}
      >
        {[chart.date_of_birth ? t('caseload.born', { when: clinicalDate(chart.date_of_birth) }) : '', chart.email ?? '', chart.carepatron_patient_id ? t('caseload.number', { number: chart.carepatron_patient_id }) : ''].filter(Boolean).join(' · ') || ' '}
      </Head>
      <div className="row standing">
        <ClaimBadge claim={claim} /> <AccessBadge access={access} />
        <span className="small muted">
          {claim.is === 'waiting' ? t(claim.lapsed ? 'caseload.waiting_lapsed' : 'caseload.waiting', { invited: moment(chart.invited_until), expires: claim.expires ? day(claim.expires) : '' })
            : access.is === 'until' ? t('caseload.access_until', { when: day(access.end) }) : access.is === 'ended' ? t('caseload.access_ended_more') : ''}
        </span>
      </div>
      {chart.contact_details ? <p className="small contact"><bdi>{chart.contact_details}</bdi></p> : null}
      <SyncPanel patient={id} />
      <SubNav label={chart.name} parts={[{ to: `/caseload/${id}` as '/caseload', text: t('caseload.tab_documents') }, { to: `/caseload/${id}/sync` as '/caseload', text: t('caseload.tab_sync') }, { to: `/caseload/${id}/shared` as '/caseload', text: t('passing.tab') }]} />
      {children(chart)}
    </>
  );
}
