/** A record that a patient lent a key to, as a clinician reads it; and adding to it where that was allowed. */
import { Button, Modal, Select, Textarea, TextInput } from '@mantine/core';
import { IconArrowLeft, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { sharedWithMe, statusAt } from '../../lib/sharing.ts';
import { useNamedSources } from '../../lib/sources.ts';
import { vault } from '../../lib/vault.ts';
import { Clinical } from '../../ui/clinical.tsx';
import { Content } from '../../ui/content.tsx';
import { Head, Note, Waiting } from '../../ui/pieces.tsx';
import { RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';

export function PatientRecord() {
  const { t } = useTranslation();
  const why = useWhy();
  const { id = '' } = useParams({ strict: false });
  const grants = useQuery({ queryKey: ['shared-with-me'], queryFn: sharedWithMe });
  const document = useQuery({ queryKey: ['vault', id, 'clinical'], queryFn: () => vault.clinical(id, null), retry: false });
  const named = useNamedSources(id, document.data);
  const [record, setRecord] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const living = (grants.data ?? []).filter((one) => one.patient_id === id && statusAt(one.status, one.valid_from ?? null, one.expiry_date, Date.now()) === 'ACTIVE');
  const [first] = living;
  const writes = [...new Set(living.flatMap((one) => one.write_types ?? (one.allow_write ? one.record_types : [])))];
  const name = document.data?.patient?.name ?? first?.patient_name ?? t('admin.kind_patient');
  const back = <Button component={Link} to="/patients" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('patients.title')}</Button>;
  return (
    <>
      <Head title={name} actions={<>{back}{writes.length > 0 ? <Button leftSection={<IconPlus size={18} />} onClick={() => setAdding(true)}>{t('patients.add')}</Button> : null}</>}>
        {first ? t('patients.until', { when: moment(first.expiry_date) }) : ' '}
      </Head>
      {document.error ? <Note tone="bad"><p>{why(document.error)}</p></Note> : !named ? <Waiting /> : <Clinical document={named} onRecord={setRecord} />}
      {record ? <Source patient={id} record={record} onClose={() => setRecord(null)} /> : null}
      {adding ? <Add patient={id} types={writes} onClose={() => setAdding(false)} /> : null}
    </>
  );
}

function Source({ patient, record, onClose }: { patient: string; record: string; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const read = useQuery({ queryKey: ['vault', patient, 'record', record], queryFn: () => vault.readRecord(patient, record) });
  return (
    <Modal opened onClose={onClose} size="xl" title={<span className="modal-title">{read.data?.header.title ?? t('records.detail_json')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {read.error ? <Note tone="bad"><p>{why(read.error)}</p></Note> : read.data ? <Content content={read.data} /> : <Waiting />}
    </Modal>
  );
}

function Add({ patient, types, onClose }: { patient: string; types: RecordType[]; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [title, setTitle] = useState('');
  const [text, setText] = useState('');
  const [type, setType] = useState<RecordType>(types[0] ?? 'documents');
  const add = useMutation({
    mutationFn: () => vault.addText(patient, { title: title.trim(), text, date: new Date().toISOString().slice(0, 10), record_type: type }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['vault', patient] });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('patients.add')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack-s" onSubmit={(event) => { event.preventDefault(); add.mutate(); }}>
        <p className="muted" style={{ margin: 0 }}>{t('patients.add_more')}</p>
        <TextInput label={t('records.note_title')} required withAsterisk={false} value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
        <Textarea label={t('records.note_text')} required withAsterisk={false} autosize minRows={5} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        <Select label={t('records.note_type')} allowDeselect={false} value={type} onChange={(value) => value && setType(value as RecordType)} data={RECORD_TYPES.filter((one) => types.includes(one)).map((one) => ({ value: one, label: t(`types.${one}`) }))} />
        {add.error ? <Note tone="bad"><p>{why(add.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={add.isPending}>{t('records.note_add')}</Button></div>
      </form>
    </Modal>
  );
}
