/** What is to be said at home of charts: one that was just taken over, and claims that wait. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { heldTaken, holdTaken, listClaims, ownClaims } from '../lib/claims.ts';
import { day } from '../lib/format.ts';
import { useMe } from '../lib/hooks.ts';
import { usePoll } from '../lib/live.ts';
import { livingShares } from '../lib/sharing.ts';
import { RECORD_TYPES } from '../vault-worker/api.ts';
import { Note } from './pieces.tsx';

export function ClaimsNote() {
  const { t } = useTranslation();
  const { account, patient } = useMe();
  const poll = usePoll(30_000);
  const claims = useQuery({ queryKey: ['claims'], queryFn: listClaims, refetchInterval: poll, enabled: account.email_verified });
  const waiting = ownClaims(claims.data, account.id).filter((one) => one.state !== 'refused');
  return (
    <>
      <Taken patient={patient} />
      {waiting.map((one) => (
        <Note key={one.id} tone={one.state === 'confirmed' ? 'good' : 'plain'}>
          <div className="between">
            <p className="grow"><bdi>{t(`claims.home_${one.state === 'confirmed' ? 'confirmed' : 'asked'}`, { name: one.practitioner_name })}</bdi></p>
            {one.state === 'confirmed' ? <Button component={Link} to="/claim/take" size="compact-md">{t('claims.take')}</Button> : null}
          </div>
        </Note>
      ))}
    </>
  );
}

/** Who keeps what access of a chart that was taken over here; shown until it was read. */
function Taken({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const [taken, setTaken] = useState(heldTaken);
  const shown = taken?.patient === patient ? taken : null;
  const shares = useQuery({ queryKey: ['shares', patient], queryFn: () => livingShares(patient), enabled: shown !== null });
  if (!shown) return null;
  const keeps = (shares.data ?? []).filter((one) => one.kind === 'account');
  return (
    <div role="status">
      <Note tone="good">
        <p><b>{t('claims.taken')}</b> {t('claims.taken_more')}</p>
        {keeps.map((one) => (
          <p key={one.id}>
            <bdi>{t('claims.keeps', { name: one.name, when: day(one.expires_at) })}</bdi>{' '}
            {one.types.length === RECORD_TYPES.length ? t('claims.keeps_all') : one.types.map((type) => t(`types.${type}`)).join(', ')}
            {one.kinds.length === 0 ? ` ${t('claims.keeps_no_kinds')}` : ''}{one.may_write ? ` ${t('claims.keeps_write')}` : ''}{one.may_download ? ` ${t('claims.keeps_download')}` : ''}
          </p>
        ))}
        {shares.data && keeps.length === 0 ? <p>{t('claims.keeps_nobody')}</p> : null}
        <div className="row" style={{ marginTop: 10 }}>
          {keeps.length > 0 ? <Button component={Link} to="/sharing" size="compact-md">{t('claims.keeps_change')}</Button> : null}
          <Button size="compact-md" variant="default" onClick={() => { holdTaken(null); setTaken(null); }}>{t('claims.understood')}</Button>
        </div>
      </Note>
    </div>
  );
}
