/** Asking a patient for access: whom, what, what for, for how long. */
import { Button, Modal, NativeSelect, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { useWhy } from '../../lib/hooks.ts';
import { ChooseKinds, ChooseTypes } from '../../ui/choose-types.tsx';
import { Note } from '../../ui/pieces.tsx';
import { type Kind, KINDS, RECORD_TYPES, type RecordType, VaultFailure } from '../../vault-worker/api.ts';
import { patientNumber } from './terms.ts';

export interface Draft { patient: string; types: RecordType[]; kinds: Kind[]; write_types: RecordType[]; purpose: string; days: number }

export const blank: Draft = { patient: '', types: [], kinds: [], write_types: [], purpose: 'TREAT', days: 90 };
const DAYS = [7, 30, 90, 180, 365];
/** What a provider may ask for on their own account; the other purposes are the patient's to name. */
const PURPOSES = ['TREAT', 'ETREAT', 'HOPERAT', 'HPAYMT', 'HRESCH', 'PUBHLTH'] as const;

export function Ask({ draft, known, onChange, onClose, onSent }: { draft: Draft; known: { id: string; name: string }[]; onChange: (draft: Draft) => void; onClose: () => void; onSent: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [tried, setTried] = useState(false);
  const patient = patientNumber(draft.patient);
  const some = draft.types.length + draft.write_types.length > 0;
  const set = (part: Partial<Draft>) => onChange({ ...draft, ...part });
  const send = useMutation({
    mutationFn: () => call('POST', '/api/sharing/requests', {
      patient_id: patient, record_types: draft.types, write_types: draft.write_types, purpose: draft.purpose,
      // A little less than the days, so that a year is never more than one.
      expiry_date: new Date(Date.now() + draft.days * 86_400_000 - 60_000).toISOString(), ...(draft.kinds.length ? { include_sensitive: draft.kinds } : {}),
    }),
    onSuccess: onSent,
  });
  const unknown = send.error instanceof VaultFailure && send.error.failure.status === 404;
  const numberProblem = (tried && !patient) || unknown ? t('requests.whom_number_wrong') : null;
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('requests.ask')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (patient && some) send.mutate(); }}>
        <p className="muted" style={{ margin: 0 }}>{t('requests.ask_more')}</p>
        <fieldset className="part">
          <legend>{t('requests.whom')}</legend>
          {known.length > 0 ? <NativeSelect label={t('requests.whom_known')} value={known.some((one) => one.id === patient) ? patient ?? '' : ''} onChange={(event) => set({ patient: event.currentTarget.value })} data={[{ value: '', label: t('requests.whom_known_none') }, ...known.map((one) => ({ value: one.id, label: one.name }))]} /> : null}
          <TextInput label={t('requests.whom_number')} description={t('requests.whom_number_more')} autoComplete="off" spellCheck={false} value={draft.patient} onChange={(event) => { set({ patient: event.currentTarget.value }); send.reset(); }} error={numberProblem} />
        </fieldset>
        <ChooseTypes legend={t('requests.what_read')} types={RECORD_TYPES} chosen={draft.types} onChange={(types) => set({ types })} problem={tried && !some ? t('requests.choose_type') : null} />
        <ChooseKinds legend={t('requests.what_kinds')} more={t('requests.what_kinds_more')} kinds={KINDS} chosen={draft.kinds} onChange={(kinds) => set({ kinds })} />
        <details open={draft.write_types.length > 0}>
          <summary>{t('requests.what_write')}</summary>
          <div style={{ marginTop: 12 }}><ChooseTypes legend={t('requests.what_write')} more={t('requests.what_write_more')} types={RECORD_TYPES} chosen={draft.write_types} onChange={(write_types) => set({ write_types })} /></div>
        </details>
        <div className="cols" style={{ gap: 14, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 200px), 1fr))' }}>
          <NativeSelect label={t('requests.what_for')} value={draft.purpose} onChange={(event) => set({ purpose: event.currentTarget.value })} data={PURPOSES.map((one) => ({ value: one, label: t(`activity.purposes.${one}`) }))} />
          <NativeSelect label={t('requests.how_long')} value={String(draft.days)} onChange={(event) => set({ days: Number(event.currentTarget.value) })} data={DAYS.map((one) => ({ value: String(one), label: t('shares.days', { count: one }) }))} />
        </div>
        {send.error && !unknown ? <Note tone="bad"><p>{why(send.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={send.isPending}>{t('requests.send')}</Button></div>
      </form>
    </Modal>
  );
}
