/** Those who claim a chart that one opened: who they are, and whether to hand it over. */
import { Button, Checkbox, Modal } from '@mantine/core';
import { IconArrowLeft, IconFingerprint, IconUserCheck } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Claim, listClaims, refuseClaim, toAnswer } from '../../lib/claims.ts';
import { away, clinicalDate } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { findChart } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { PracticeTabs } from '../../ui/practice-frame.tsx';

const TONES = { asked: 'warn', confirmed: 'plain', refused: 'plain', done: 'good' } as const;

export function Answers() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const poll = usePoll(15_000);
  const [said, setSaid] = useState<string | null>(null);
  const claims = useQuery({ queryKey: ['claims'], queryFn: listClaims, refetchInterval: poll });
  const waiting = toAnswer(claims.data, account.id);
  const answered = (claims.data ?? []).filter((one) => one.claimant_id !== account.id && one.state !== 'asked');
  return (
    <>
      <Head title={t('claims.answers')} actions={<Button component={Link} to="/caseload" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('claims.to_caseload')}</Button>}>{t('claims.answers_more')}</Head>
      <PracticeTabs />
      <div className="stack">
        {said ? <div role="status"><Note tone="good"><p>{said}</p></Note></div> : null}
        {claims.error ? <Note tone="bad"><p>{why(claims.error)}</p></Note> : claims.isPending ? <Waiting /> : (
          <>
            <section className="card flush" aria-label={t('claims.to_answer')}>
              <header><h2>{t('claims.to_answer')}</h2></header>
              {waiting.length === 0 ? <Empty icon={IconUserCheck} title={t('claims.to_answer_none')}><p>{t('claims.to_answer_none_more')}</p></Empty>
                : <ul className="list">{waiting.map((one) => <Waits key={one.id} claim={one} onSaid={setSaid} />)}</ul>}
            </section>
            {answered.length > 0 ? (
              <section className="card flush" aria-label={t('claims.answered')}>
                <header><h2>{t('claims.answered')}</h2></header>
                <ul className="list">{answered.map((one) => <li key={one.id} className="line"><span><span className="t"><bdi>{one.claimant_name}</bdi></span><br /><span className="s">{one.claimant_email}</span></span><span className="e"><Tag tone={TONES[one.state]}>{t(`claims.told_${one.state}`)}</Tag><br /><span className="s">{away(one.answered_at ?? one.asked_at)}</span></span></li>)}</ul>
              </section>
            ) : null}
          </>
        )}
      </div>
    </>
  );
}

function Waits({ claim, onSaid }: { claim: Claim; onSaid: (text: string) => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [doing, setDoing] = useState<'confirm' | 'refuse' | null>(null);
  const chart = useQuery({ queryKey: ['charts', claim.patient_id], queryFn: () => findChart(claim.patient_id) });
  const name = claim.claimant_name;
  const whose = chart.data?.name ?? '…';
  const renew = () => Promise.all([queries.invalidateQueries({ queryKey: ['claims'] }), queries.invalidateQueries({ queryKey: ['charts'] })]);
  const finish = (text: string) => {
    onSaid(text);
    void renew();
  };
  return (
    <li className="request">
      <div className="between">
        <div className="grow">
          <b><bdi>{t('claims.wants', { name, whose })}</bdi></b><br />
          <span className="muted small">{[claim.claimant_email, t('claims.asked_at', { when: away(claim.asked_at) })].join(' · ')}</span>{' '}
          <Tag tone={claim.email_matches ? 'good' : 'warn'}>{t(claim.email_matches ? 'claims.same_address' : 'claims.other_address')}</Tag>
        </div>
        <div className="row">
          <Button size="compact-md" disabled={!chart.data} onClick={() => setDoing('confirm')}>{t('claims.confirm')}</Button>
          <Button size="compact-md" variant="default" onClick={() => setDoing('refuse')}>{t('claims.refuse')}</Button>
        </div>
      </div>
      {doing === 'confirm' ? <HandOver claim={claim} whose={whose} invited={chart.data?.email ?? ''} birth={chart.data?.date_of_birth ?? null} onClose={() => setDoing(null)} onDone={() => { setDoing(null); finish(t('claims.handed_over', { name })); }} /> : null}
      {doing === 'refuse' ? (
        <Confirm title={t('claims.refuse_ask', { name })} act={t('claims.refuse')} doing={() => refuseClaim(claim.id)} onDone={() => finish(t('claims.refused', { name }))} onClose={() => setDoing(null)}>
          <p style={{ margin: 0 }}>{t('claims.refuse_more', { name })}</p>
        </Confirm>
      ) : null}
    </li>
  );
}

/** It cannot be taken back: everything that helps to be sure stands here. */
function HandOver({ claim, whose, invited, birth, onClose, onDone }: { claim: Claim; whose: string; invited: string; birth: string | null; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [sure, setSure] = useState(false);
  const key = useQuery({ queryKey: ['fingerprint', claim.claimant_id], queryFn: () => vault.fingerprint(claim.claimant_id) });
  const confirm = useMutation({ mutationFn: () => vault.confirmClaim({ id: claim.id, patient_id: claim.patient_id, claimant_id: claim.claimant_id }), onSuccess: onDone });
  const facts: [string, string, string][] = [
    [t('claims.fact_name'), claim.claimant_name, whose],
    [t('claims.fact_email'), claim.claimant_email, invited || '—'],
    [t('claims.fact_birth'), birth ? t('claims.fact_birth_named') : t('claims.fact_birth_unknown'), birth ? clinicalDate(birth) : '—'],
  ];
  return (
    <Modal opened onClose={onClose} size="lg" title={<span className="modal-title">{t('claims.hand_over_ask', { whose, name: claim.claimant_name })}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <div className="stack">
        <table className="plain">
          <thead><tr><td /><th scope="col">{t('claims.who_asks')}</th><th scope="col">{t('claims.in_the_chart')}</th></tr></thead>
          <tbody>{facts.map(([what, asks, known]) => <tr key={what}><th scope="row">{what}</th><td><bdi>{asks}</bdi></td><td><bdi>{known}</bdi></td></tr>)}</tbody>
        </table>
        {claim.email_matches ? null : <Note tone="warn"><p>{t('claims.other_address_more')}</p></Note>}
        <Note tone="warn"><p>{t('claims.hand_over_more', { name: claim.claimant_name })}</p></Note>
        {key.data ? <div className="note"><IconFingerprint size={22} stroke={1.6} aria-hidden /><div className="grow"><b>{t('claims.key')}</b><p className="small muted">{t('claims.key_more')}</p><span className="key small">{key.data.fingerprint}</span></div></div>
          : key.error ? <Note tone="bad"><p>{why(key.error)}</p></Note> : null}
        <Checkbox label={t('claims.sure', { whose })} checked={sure} onChange={(event) => setSure(event.currentTarget.checked)} />
        {confirm.error ? <Note tone="bad"><p>{why(confirm.error)}</p></Note> : null}
        <div className="row ends"><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button className="danger" disabled={!sure || !key.data} loading={confirm.isPending} onClick={() => confirm.mutate()}>{t('claims.hand_over')}</Button></div>
      </div>
    </Modal>
  );
}
