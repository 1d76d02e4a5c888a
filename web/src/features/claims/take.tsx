/** Taking a chart over: proving whose it is, waiting for whoever opened it, and the new keys. */
import { Button, TextInput } from '@mantine/core';
import { IconCheck, IconFolderHeart, IconLoader } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Claim, claimByInvitation, heldProof, holdProof, holdTaken, listClaims, ownClaims, type Proof } from '../../lib/claims.ts';
import { away } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { onVault, vault } from '../../lib/vault.ts';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';
import type { ClaimStage } from '../../vault-worker/api.ts';

export function TakeOver() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const poll = usePoll(5_000);
  const [proof, setProof] = useState(heldProof);
  const claims = useQuery({ queryKey: ['claims'], queryFn: listClaims, refetchInterval: poll, enabled: account.kind === 'patient' });
  // The mail may be opened in another browser: here it is seen a little later.
  useQuery({ queryKey: ['own-address', account.id], queryFn: () => vault.refreshAccount(), refetchInterval: 5_000, enabled: account.kind === 'patient' && !account.email_verified });
  const own = ownClaims(claims.data, account.id);
  const drop = () => {
    holdProof(null);
    setProof(null);
  };
  const frame = (inside: ReactNode) => <><Head title={t('claims.title')}>{t('claims.more')}</Head><div className="stack narrow">{inside}</div></>;
  if (account.kind !== 'patient') return frame(<Note tone="warn"><p>{t('claims.patients_only')}</p></Note>);
  if (!account.email_verified) return frame(<><Unverified account={account} /><Note><p>{t('claims.verify_first')}</p></Note></>);
  if (claims.isPending) return frame(<Waiting />);
  return frame(
    <>
      {claims.error ? <Note tone="bad"><p>{why(claims.error)}</p></Note> : null}
      {proof?.by === 'sheet' ? <BySheet proof={proof} onDone={drop} /> : null}
      {proof?.by === 'invitation' ? <ByInvitation proof={proof} onDone={drop} /> : null}
      {own.map((one) => <Standing key={one.id} claim={one} />)}
      {!proof && own.length === 0 ? <section className="card"><Empty icon={IconFolderHeart} title={t('claims.none')}><p>{t('claims.none_more')}</p><Button component={Link} to="/home">{t('common.to_start')}</Button></Empty></section> : null}
    </>,
  );
}

/** The day of birth that the practice knows; the practitioner confirms the rest. */
function ByInvitation({ proof, onDone }: { proof: Extract<Proof, { by: 'invitation' }>; onDone: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [birth, setBirth] = useState('');
  const [tried, setTried] = useState(false);
  const ask = useMutation({
    mutationFn: () => claimByInvitation(proof.token, birth),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['claims'] });
      onDone();
    },
  });
  return (
    <section className="card" aria-label={t('claims.by_mail')}>
      <h2>{t('claims.by_mail')}</h2>
      <p className="muted">{t('claims.by_mail_more')}</p>
      <form className="stack-s" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (birth) ask.mutate(); }}>
        <TextInput
          type="date" label={t('claims.birth')} autoComplete="bday" max={new Date().toISOString().slice(0, 10)} style={{ maxWidth: 280 }}
          value={birth} onChange={(event) => setBirth(event.currentTarget.value)} error={tried && !birth ? t('errors.needed') : null}
        />
        {ask.error ? <Note tone="bad"><p>{why(ask.error)}</p></Note> : null}
        <div className="row"><Button type="submit" loading={ask.isPending}>{t('claims.ask')}</Button><Button variant="default" onClick={onDone}>{t('common.cancel')}</Button></div>
      </form>
    </section>
  );
}

function BySheet({ proof, onDone }: { proof: Extract<Proof, { by: 'sheet' }>; onDone: () => void }) {
  const { t } = useTranslation();
  return (
    <section className="card" aria-label={t('claims.by_sheet')}>
      <h2>{t('claims.by_sheet')}</h2>
      <p className="muted">{t('claims.by_sheet_more')}</p>
      <Taking told={proof.patient} act={() => vault.claimBySheet(proof.patient, proof.key)} patient={proof.patient} practitioner={null} onDone={onDone} onCancel={onDone} />
    </section>
  );
}

/** A claim that was asked: waiting, ready, or refused. */
function Standing({ claim }: { claim: Claim }) {
  const { t } = useTranslation();
  const name = claim.practitioner_name;
  return (
    <section className="card" aria-label={t('claims.chart_of', { name })}>
      <div className="between"><h2><bdi>{t('claims.chart_of', { name })}</bdi></h2><Tag tone={claim.state === 'confirmed' ? 'good' : claim.state === 'refused' ? 'bad' : 'warn'}>{t(`claims.state_${claim.state}`)}</Tag></div>
      <div aria-live="polite">
        {claim.state === 'asked' ? <p className="muted">{t('claims.waiting', { name, when: away(claim.asked_at) })}</p> : null}
        {claim.state === 'refused' ? <p className="muted">{t('claims.was_refused', { name })}</p> : null}
        {claim.state === 'confirmed' ? <p className="muted">{t('claims.confirmed', { name })}</p> : null}
      </div>
      {claim.state === 'confirmed' ? <Taking told={claim.id} act={() => vault.completeClaim({ id: claim.id, patient_id: claim.patient_id, claimant_id: claim.claimant_id })} patient={claim.patient_id} practitioner={name} /> : null}
    </section>
  );
}

const STAGES = ['opening', 'sealing', 'sending'] as const;

function Taking({ told, act, patient, practitioner, onDone, onCancel }: {
  told: string; act: () => Promise<void>; patient: string; practitioner: string | null; onDone?: () => void; onCancel?: () => void;
}) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [stage, setStage] = useState<ClaimStage>('opening');
  useEffect(() => onVault((event) => {
    if (event.event === 'claim' && event.claim === told) setStage(event.stage);
  }), [told]);
  const taking = useMutation({
    mutationFn: async () => {
      try {
        await act();
      } catch (failure) {
        // An answer that was lost on its way is no failure: whoever has the chart has it.
        const done = (await listClaims().catch(() => [])).some((one) => one.patient_id === patient && one.state === 'done');
        if (!done) throw failure;
        await vault.choosePatient(patient);
      }
      return practitioner ?? (await listClaims().catch(() => [])).find((one) => one.patient_id === patient)?.practitioner_name ?? '';
    },
    onSuccess: async (name) => {
      holdTaken({ patient, practitioner: name });
      onDone?.();
      await queries.invalidateQueries();
      await navigate({ to: '/home' });
    },
  });
  const at = STAGES.findIndex((one) => one === stage);
  if (taking.isPending) {
    return (
      <ol className="stages" aria-live="polite" aria-busy>
        {STAGES.map((one, n) => {
          const over = stage === 'done' || n < at;
          return <li key={one} aria-current={n === at ? 'step' : undefined} className={over ? 'over' : n === at ? 'now' : undefined}>{over ? <IconCheck size={18} aria-hidden /> : <IconLoader size={18} aria-hidden />} {t(`claims.stage_${one}`)}</li>;
        })}
      </ol>
    );
  }
  return (
    <>
      {taking.error ? <Note tone="bad"><p>{why(taking.error)}</p></Note> : null}
      <div className="row" style={{ marginTop: 14 }}>
        <Button size="md" onClick={() => taking.mutate()}>{t(taking.error ? 'common.again' : 'claims.take')}</Button>
        {onCancel ? <Button size="md" variant="default" onClick={onCancel}>{t('common.cancel')}</Button> : null}
      </div>
    </>
  );
}
