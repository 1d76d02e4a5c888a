/** Connecting a provider or a platform, step by step. What was typed stays until it is done; secrets go in, and never come out. */
import { Button, Radio } from '@mantine/core';
import { IconArrowLeft, IconArrowRight, IconCheck, IconPlugConnected } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { type Connection, type ConnectionChange, createConnection, type Direction, listAttachments, renewPractice, updateConnection, type Verification, verifyConnection } from '../../lib/practice.ts';
import { Head, Note } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { AttachPatients } from './attach.tsx';
import { PlaceFields, ScheduleFields, SecretFields, useFaultWords } from './fields.tsx';
import { type Draft, draftOf, faults, kindsOf, requestOf, SECRETS } from './kinds.ts';
import { Outcome } from './tried.tsx';

const STEPS = ['kind', 'place', 'secrets', 'schedule', 'try', 'patients'] as const;
type Step = (typeof STEPS)[number];

/** Which fields are asked for in which step. */
const stepOf = (field: string, draft: Draft): Step =>
  field === 'schedule' ? 'schedule' : [...SECRETS[draft.auth].needs, ...SECRETS[draft.auth].may].some((one) => one === field) || field === 'credentials' ? 'secrets' : 'place';

export function Connect() {
  const { direction: wanted, patient } = useSearch({ from: '/inside/caseload/connections/new' });
  // Anew for another direction: what was typed belongs to the other one.
  return <Steps key={wanted} direction={wanted} patient={patient} />;
}

function Steps({ direction, patient }: { direction: Direction; patient: string | undefined }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const words = useFaultWords();
  const [step, setStep] = useState<Step>(kindsOf(direction).length > 1 ? 'kind' : 'place');
  const [draft, setDraft] = useState<Draft>(() => draftOf(direction));
  const [touched, setTouched] = useState(false);
  const [made, setMade] = useState<Connection | null>(null);
  const [tried, setTried] = useState<Verification | null>(null);
  const [refused, setRefused] = useState<Record<string, string>>({});
  const heading = useRef<HTMLHeadingElement>(null);
  const begun = useRef(false);
  useEffect(() => {
    // Where somebody is, is read out, and the keyboard goes on from there.
    if (begun.current) heading.current?.focus();
    begun.current = true;
  }, [step]);
  const steps = STEPS.filter((one) => one !== 'kind' || kindsOf(direction).length > 1);
  const at = steps.indexOf(step);
  const found = faults(draft);
  const here = Object.fromEntries(Object.entries(found).filter(([field]) => stepOf(field, draft) === step));
  const shown = { ...(touched ? words(here) : {}), ...refused };
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part });
    setRefused({});
    setTried(null);
  };
  const test = useMutation({
    mutationFn: async () => {
      const { name, base_url, credentials, settings, schedule } = requestOf(draft);
      const connection = made ? await updateConnection(made.id, { name, base_url, credentials, settings, schedule } as ConnectionChange) : await createConnection(requestOf(draft));
      setMade(connection);
      const said = await verifyConnection(connection.id);
      return { connection, said };
    },
    onSuccess: ({ connection, said }) => {
      setMade(connection);
      setTried(said);
      void renewPractice(queries);
    },
    onError: (failure) => {
      const errors = failure instanceof VaultFailure ? failure.failure.errors ?? [] : [];
      const [first] = errors;
      if (!first) return;
      setRefused(Object.fromEntries(errors.map((one) => [one.field, one.message])));
      setStep(stepOf(first.field, draft));
    },
  });
  const on = useQuery({ queryKey: ['connections', made?.id, 'patients'], queryFn: () => listAttachments(made?.id ?? ''), enabled: made !== null && step === 'patients' });
  const go = (next: Step) => {
    setTouched(false);
    setStep(next);
  };
  const forward = () => {
    if (Object.keys(here).length > 0) return setTouched(true);
    const next = steps[at + 1];
    if (next) go(next);
    if (next === 'try') test.mutate();
  };
  const leave = () => void navigate(patient ? { to: '/caseload/$id/sync', params: { id: patient } } : made ? { to: '/caseload/connections/$id', params: { id: made.id } } : { to: '/caseload/connections' });
  return (
    <>
      <Head title={t(`connections.add_${direction}`)} actions={<Button component={Link} to="/caseload/connections" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('practice.tab_connections')}</Button>}>{t(`connections.more_${direction}`)}</Head>
      <ol className="steps" aria-label={t('connections.steps')}>
        {steps.map((one, nth) => (
          <li key={one} data-done={nth < at || undefined} aria-current={one === step ? 'step' : undefined}>
            {nth < at && !(made && one === 'kind') ? <button type="button" onClick={() => go(one)}><span className="dot"><IconCheck size={14} aria-hidden /></span>{t(`connections.step_${one}`)}</button>
              : <span><span className="dot num">{nth < at ? <IconCheck size={14} aria-hidden /> : nth + 1}</span>{t(`connections.step_${one}`)}</span>}
          </li>
        ))}
      </ol>
      <section className="card" aria-labelledby="step">
        <h2 id="step" ref={heading} tabIndex={-1}>{t(`connections.ask_${step}`)}</h2>
        {step === 'patients' && made ? (
          <div className="stack" style={{ marginTop: 14 }}>
            <p className="muted" style={{ margin: 0 }}>{t(`connections.patients_more_${direction}`)}</p>
            {on.data ? <AttachPatients connection={made} known={on.data} {...(patient && on.data.every((one) => one.patient_id !== patient) ? { only: patient } : {})} onDone={leave} /> : on.error ? <Note tone="bad"><p>{why(on.error)}</p></Note> : null}
            <div><Button variant="subtle" onClick={leave}>{t('connections.later')}</Button></div>
          </div>
        ) : (
          <form className="stack" style={{ marginTop: 14 }} noValidate onSubmit={(event) => { event.preventDefault(); forward(); }}>
            {step === 'kind' ? (
              <Radio.Group value={draft.kind} aria-label={t('connections.ask_kind')} onChange={(value) => { const kind = kindsOf(direction).find((one) => one.kind === value); if (kind) change({ kind: kind.kind, address: kind.address, auth: kind.auth[0] ?? 'none', settings: {}, json: '' }); }}>
                <div className="choices">
                  {kindsOf(direction).map(({ kind }) => (
                    <Radio.Card key={kind} value={kind} className="choice" radius="md">
                      <Radio.Indicator aria-hidden />
                      <span><b>{t(`connections.kind_${kind}`)}</b><br /><span className="small muted">{t(`connections.kind_${kind}_more`)}</span></span>
                    </Radio.Card>
                  ))}
                </div>
              </Radio.Group>
            ) : null}
            {step === 'place' ? <PlaceFields draft={draft} faults={shown} onChange={change} finds={direction === 'source'} /> : null}
            {step === 'secrets' ? <SecretFields draft={draft} faults={shown} onChange={change} /> : null}
            {step === 'schedule' ? <ScheduleFields draft={draft} faults={shown} onChange={change} /> : null}
            {step === 'try' ? (
              <div className="stack-s">
                {test.isPending ? <p className="muted row" role="status"><IconPlugConnected size={20} aria-hidden /> {t('connections.trying', { name: draft.name })}</p> : null}
                {tried && made ? <Outcome tried={tried} connection={made} /> : null}
                {test.error ? <Note tone="bad"><p>{why(test.error)}</p></Note> : null}
                {!test.isPending ? <div><Button variant="default" onClick={() => test.mutate()}>{t('connections.try_again')}</Button></div> : null}
                {tried && !tried.works ? <p className="muted" style={{ margin: 0 }}>{t('connections.try_more')}</p> : null}
              </div>
            ) : null}
            <div className="row ends">
              {at > 0 ? <Button variant="default" onClick={() => { const back = steps[at - 1]; if (back) go(back); }}>{t('common.back')}</Button> : null}
              <Button type="submit" disabled={step === 'try' && (!made || test.isPending)} rightSection={<IconArrowRight size={18} className="turn" />}>{t(step === 'schedule' ? 'connections.try' : 'connections.next')}</Button>
            </div>
          </form>
        )}
      </section>
    </>
  );
}
