/** Opening a chart, and changing what is known of its patient. What was typed stays where it could not be saved. */
import { Button, Modal, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { type Chart, renewPractice, updateChart } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { Note, Waiting } from '../../ui/pieces.tsx';
import { type ChartText, type ChartTexts, type NewChart, VaultFailure } from '../../vault-worker/api.ts';

type Values = { [key in keyof NewChart]: string };

export const blank: Values = { name: '', email: '', date_of_birth: '', contact_details: '', carepatron_patient_id: '', dietary_preferences: '', medical_history: '' };
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const TEXTS: readonly ChartText[] = ['dietary_preferences', 'medical_history'];

const chartOf = (values: Values): NewChart => ({
  name: values.name.trim(), email: values.email.trim(), date_of_birth: values.date_of_birth || null, contact_details: values.contact_details.trim() || null,
  carepatron_patient_id: values.carepatron_patient_id.trim() || null, dietary_preferences: values.dietary_preferences.trim() || null, medical_history: values.medical_history.trim() || null,
});

/** Without a chart it opens one. `draft` is kept by whoever shows this, so that a closed window loses nothing. */
export function ChartForm({ chart, draft, onDraft, onClose }: { chart?: Chart; draft?: Values; onDraft?: (values: Values) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const texts = useQuery({ queryKey: ['vault', chart?.id, 'texts'], queryFn: () => vault.chartTexts(chart?.id ?? ''), enabled: chart !== undefined, retry: false });
  const waiting = chart !== undefined && texts.isPending;
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t(chart ? 'caseload.edit' : 'caseload.open')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {waiting ? <Waiting /> : <Fields {...(chart ? { chart } : {})} texts={texts.data ?? null} draft={draft ?? blank} {...(onDraft ? { onDraft } : {})} onClose={onClose} />}
    </Modal>
  );
}

function Fields({ chart, texts, draft, onDraft, onClose }: { chart?: Chart; texts: ChartTexts | null; draft: Values; onDraft?: (values: Values) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const begin: Values = chart ? {
    name: chart.name, email: chart.email ?? '', date_of_birth: chart.date_of_birth ?? '', contact_details: chart.contact_details ?? '',
    carepatron_patient_id: chart.carepatron_patient_id ?? '', dietary_preferences: texts?.dietary_preferences ?? '', medical_history: texts?.medical_history ?? '',
  } : draft;
  const form = useForm<Values>({
    initialValues: begin,
    validate: {
      name: (value) => (value.trim() ? null : t('errors.needed')),
      email: (value) => (chart?.claimed || EMAIL.test(value.trim()) ? null : t('errors.email')),
      date_of_birth: (value) => (value && value > new Date().toISOString().slice(0, 10) ? t('caseload.birth_wrong') : null),
    },
  });
  const { values } = form;
  useEffect(() => onDraft?.(values), [onDraft, values]);
  const save = useMutation({
    mutationFn: async (finish: string | null) => {
      if (finish) {
        await vault.finishChart(finish, chartOf(values));
        return finish;
      }
      if (!chart) return (await vault.createChart(chartOf(values))).patient;
      const next = chartOf(values);
      await updateChart(chart.id, chart.claimed ? { carepatron_patient_id: next.carepatron_patient_id } : {
        name: next.name, email: next.email, date_of_birth: next.date_of_birth, contact_details: next.contact_details, carepatron_patient_id: next.carepatron_patient_id,
      });
      for (const which of TEXTS) {
        const text = next[which];
        if (texts && text && text !== texts[which]) await vault.putChartText(chart.id, which, text);
      }
      return null;
    },
    onSuccess: async (opened) => {
      onDraft?.(blank);
      await Promise.all([renewPractice(queries), chart ? queries.invalidateQueries({ queryKey: ['vault', chart.id] }) : null]);
      onClose();
      if (opened) await navigate({ to: '/caseload/$id', params: { id: opened } });
    },
    onError: (failure) => {
      if (!(failure instanceof VaultFailure)) return;
      for (const one of failure.failure.errors ?? []) if (one.field in values) form.setFieldError(one.field, one.message);
    },
  });
  const unfinished = save.error instanceof VaultFailure && save.error.code === 'chart.unfinished' ? String(save.error.failure.extra?.patient ?? '') : null;
  const closed = chart?.claimed ?? false;
  return (
    <form className="stack" noValidate onSubmit={form.onSubmit(() => save.mutate(unfinished))}>
      <p className="muted" style={{ margin: 0 }}>{t(closed ? 'caseload.edit_claimed' : chart ? 'caseload.edit_more' : 'caseload.open_more')}</p>
      {closed ? null : (
        <>
          <div className="cols" style={{ gap: 14 }}>
            <TextInput label={t('caseload.name')} autoComplete="off" {...form.getInputProps('name')} />
            <TextInput label={t('caseload.birth')} type="date" description={t('caseload.birth_more')} inputWrapperOrder={['label', 'input', 'description', 'error']} {...form.getInputProps('date_of_birth')} />
          </div>
          <TextInput label={t('caseload.email')} type="email" autoComplete="off" description={t('caseload.email_more')} inputWrapperOrder={['label', 'input', 'description', 'error']} {...form.getInputProps('email')} />
          <Textarea label={t('caseload.contact')} autosize minRows={2} maxRows={6} {...form.getInputProps('contact_details')} />
        </>
      )}
      <TextInput label={t('caseload.platform_id')} description={t('caseload.platform_id_more')} inputWrapperOrder={['label', 'input', 'description', 'error']} maxLength={64} autoComplete="off" spellCheck={false} {...form.getInputProps('carepatron_patient_id')} />
      {chart && !texts ? null : (
        <fieldset className="part">
          <legend>{t('caseload.sealed')}</legend>
          <p className="small muted" style={{ margin: 0 }}>{t('caseload.sealed_more')}</p>
          <Textarea label={t('caseload.diet')} autosize minRows={2} maxRows={10} {...form.getInputProps('dietary_preferences')} />
          <Textarea label={t('caseload.history')} autosize minRows={2} maxRows={14} {...form.getInputProps('medical_history')} />
        </fieldset>
      )}
      {unfinished ? <Note tone="warn"><p>{t('caseload.unfinished')}</p></Note> : save.error ? <Note tone="bad"><p>{why(save.error)}</p></Note> : null}
      <div className="row ends">
        <Button variant="default" onClick={onClose}>{t('common.cancel')}</Button>
        <Button type="submit" loading={save.isPending}>{t(unfinished ? 'caseload.finish' : chart ? 'common.save' : 'caseload.open')}</Button>
      </div>
    </form>
  );
}
