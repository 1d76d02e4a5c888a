/** Adding to one's record: files by drag and drop, each with its progress and report, and notes. */
import { Button, Select, Textarea, TextInput } from '@mantine/core';
import { IconCloudUpload } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Head, Note } from '../../ui/pieces.tsx';
import { RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';
import { uploads, useUploads } from './uploads.ts';
import { UploadList } from './upload-list.tsx';

export function AddRecords() {
  const { t } = useTranslation();
  const { patient } = useMe();
  const mine = useUploads().filter((one) => one.patient === patient);
  return (
    <>
      <Head title={t('records.add_title')} actions={mine.some((one) => one.report) ? <Button component={Link} to="/record">{t('records.to_record')}</Button> : undefined}>
        {t('records.add_more')}
      </Head>
      <div className="stack">
        <Drop onFiles={(files) => uploads.add(patient, files)} />
        {mine.length > 0 ? <UploadList uploads={mine} patient={patient} /> : null}
        <NoteForm patient={patient} />
      </div>
    </>
  );
}

function Drop({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    // Dropping is a second way; the button inside is the first.
    <div
      className="drop" data-over={over || undefined}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); onFiles(event.dataTransfer.files); }}
    >
      <IconCloudUpload size={42} stroke={1.2} color="var(--accent)" aria-hidden />
      <p style={{ margin: '8px 0 4px', fontWeight: 550 }}>
        {t('records.drop')} <button type="button" className="link-button" onClick={() => input.current?.click()}>{t('records.drop_choose')}</button>
      </p>
      <p className="small muted" style={{ margin: 0 }}>{t('records.drop_more')}</p>
      <input
        ref={input} type="file" multiple className="vh" aria-label={t('records.drop_choose')} tabIndex={-1}
        onChange={(event) => { onFiles(event.currentTarget.files ?? []); event.currentTarget.value = ''; }}
      />
    </div>
  );
}

function NoteForm({ patient }: { patient: string }) {
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
