/** How a chart stands, in a few words. */
import { IconAlertTriangle, IconCheck, IconClock, IconPlayerPause } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { away, day, moment } from '../../lib/format.ts';
import { useProblem } from '../../ui/problem.ts';
import { Tag } from '../../ui/pieces.tsx';
import type { Access, Claim, SyncState } from './standing.ts';

export function ClaimBadge({ claim }: { claim: Claim }) {
  const { t } = useTranslation();
  if (claim.is === 'own') return null;
  if (claim.is === 'claimed') return <Tag tone="good">{t('caseload.claimed')}</Tag>;
  return (
    <>
      <Tag tone={claim.soon ? 'bad' : 'warn'}>{claim.days === 0 ? t('caseload.unclaimed_today') : t('caseload.unclaimed', { count: claim.days })}</Tag>
      {claim.soon && claim.expires ? <> <Tag tone="bad">{t('caseload.expires', { when: day(claim.expires) })}</Tag></> : null}
      {claim.lapsed ? <> <Tag tone="warn">{t('caseload.invitation_lapsed')}</Tag></> : null}
    </>
  );
}

export function AccessBadge({ access }: { access: Access }) {
  const { t } = useTranslation();
  if (access.is === 'ended') return <Tag tone="bad">{t('caseload.access_ended')}</Tag>;
  if (access.is === 'until' && access.soon) return <Tag tone="warn">{t('caseload.access_ends', { when: day(access.end) })}</Tag>;
  return null;
}

export function SyncBadge({ sync }: { sync: SyncState }) {
  const { t } = useTranslation();
  const problem = useProblem();
  switch (sync.is) {
    case 'none': return <span className="muted small">{t('caseload.sync_none')}</span>;
    case 'waiting': return <Tag><IconClock size={14} aria-hidden /> {t('caseload.sync_waiting')}</Tag>;
    case 'paused': return <Tag><IconPlayerPause size={14} aria-hidden /> {t('practice.state_paused')}</Tag>;
    case 'trouble': return <span title={`${sync.name}: ${problem(sync.problem)}`}><Tag tone="bad"><IconAlertTriangle size={14} aria-hidden /> {t('caseload.sync_trouble')}</Tag></span>;
    case 'ok': return <span title={moment(sync.at)}><Tag tone="good"><IconCheck size={14} aria-hidden /> {t('caseload.sync_ok', { when: away(sync.at) })}</Tag></span>;
  }
}
