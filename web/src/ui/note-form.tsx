/** A text of one's own for a record. What was typed stays where it could not be added. */
import { Button, Select, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../lib/hooks.ts';
import { vault } from '../lib/vault.ts';
import { RECORD_TYPES, type RecordType } from '../vault-worker/api.ts';
import { Note } from './pieces.tsx';

export function NoteForm({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [title, setTitle] = useState('');
  const [text, setText] = useState('');
  const [date, setDate] = useState('');
  const [type, setType] = useState<RecordType>('documents');
  const add = useMutation({
    mutationFn: () => vault.addText(patient, { title: title.trim(), text, date: date || null, record_type: type }),
    onSuccess: async () => {
      setTitle('');
      setText('');
      await queries.invalidateQueries({ queryKey: ['vault', patient] });
    },
  });
  return (
    <section className="card">
      <h2>{t('records.note')}</h2>
      <form className="stack-s" style={{ marginTop: 12 }} onSubmit={(event) => { event.preventDefault(); add.mutate(); }}>
        <TextInput label={t('records.note_title')} required withAsterisk={false} value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
        <Textarea label={t('records.note_text')} required withAsterisk={false} autosize minRows={4} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        <div className="cols" style={{ gap: 12 }}>
          <TextInput label={t('records.note_date')} type="date" value={date} onChange={(event) => setDate(event.currentTarget.value)} />
          <Select
            label={t('records.note_type')} allowDeselect={false} value={type} onChange={(value) => setType((value ?? 'documents') as RecordType)}
            data={RECORD_TYPES.map((one) => ({ value: one, label: t(`types.${one}`) }))}
          />
        </div>
        {add.error ? <Note tone="bad"><p>{why(add.error)}</p></Note> : null}
        {add.isSuccess && !title ? <Note tone="good"><p>{t('records.note_added')}</p></Note> : null}
        <div><Button type="submit" loading={add.isPending} disabled={!title.trim() || !text.trim()}>{t('records.note_add')}</Button></div>
      </form>
    </section>
  );
}
