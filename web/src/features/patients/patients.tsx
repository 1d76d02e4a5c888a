/** What patients share with a provider. */
import { Button } from '@mantine/core';
import { IconFingerprint, IconPlus, IconUsers } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { nextChange, usePoll } from '../../lib/live.ts';
import { sharedWithMe, statusAt } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { CaseloadFrame } from '../../ui/caseload-frame.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';

export function Patients() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const poll = usePoll(20_000);
  const grants = useQuery({
    queryKey: ['shared-with-me'], queryFn: sharedWithMe,
    refetchInterval: (query) => poll || nextChange((query.state.data ?? []).flatMap((one) => [one.expiry_date, one.valid_from]), Date.now()),
  });
  const verified = account.verification === 'verified';
  const key = useQuery({ queryKey: ['fingerprint', account.id], queryFn: () => vault.fingerprint(account.id) });
  const items = (grants.data ?? []).map((one) => ({ ...one, now: statusAt(one.status, one.valid_from ?? null, one.expiry_date, Date.now()) }));
  return (
    <CaseloadFrame actions={<Button component={Link} to="/patients/requests" variant="default" leftSection={<IconPlus size={18} />}>{t('requests.ask')}</Button>}>
      <div className="stack">
        <Unverified account={account} />
        {verified ? null : <Note tone="warn"><p>{t('patients.pending')}</p></Note>}
        <section className="card flush">
          {grants.isPending ? <Waiting /> : grants.error ? <div style={{ padding: 24 }}><Note tone="bad"><p>{why(grants.error)}</p></Note></div>
            : items.length === 0 ? <Empty icon={IconUsers} title={t('patients.empty')}><p>{t('patients.empty_more')}</p></Empty> : (
              <ul className="list">
                {items.map((one) => (
                  <li key={one.id} className="line share">
                    <span>
                      <span className="t"><bdi>{one.patient_name ?? t('admin.kind_patient')}</bdi></span> {one.now === 'ACTIVE' ? null : <Tag tone={one.now === 'PENDING' ? 'plain' : 'bad'}>{one.now === 'PENDING' ? t('patients.starts', { when: moment(one.valid_from) }) : t('patients.ended')}</Tag>} {one.allow_write ?? (one.write_types?.length ?? 0) > 0 ? <Tag>{t('patients.may_write')}</Tag> : null}
                      <br /><span className="s">{one.record_types.map((type) => t(`types.${type}`)).join(', ')}</span>
                      <br /><span className="s">{t('patients.until', { when: moment(one.expiry_date) })}</span>
                    </span>
                    {one.now === 'ACTIVE' ? <Button component={Link} to={`/patients/${one.patient_id}`} size="compact-md">{t('records.detail_open')}</Button> : <span />}
                  </li>
                ))}
              </ul>
            )}
        </section>
        {key.data ? <section className="card"><div className="row" style={{ flexWrap: 'nowrap', alignItems: 'start' }}><IconFingerprint size={26} stroke={1.5} aria-hidden style={{ flex: 'none' }} /><div className="grow"><h2 style={{ margin: 0 }}>{t('patients.fingerprint')}</h2><p className="muted" style={{ margin: '2px 0 8px' }}>{t('patients.fingerprint_more')}</p><span className="key">{key.data.fingerprint}</span></div></div></section> : null}
      </div>
    </CaseloadFrame>
  );
}
