/** Adding to one's record: files by drag and drop, each with its progress and report, and notes. */
import { Button, Progress, Select, Textarea, TextInput } from '@mantine/core';
import { IconCloudUpload, IconRefresh } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { count, size } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { onVault, vault } from '../../lib/vault.ts';
import { Head, Note, Tag } from '../../ui/pieces.tsx';
import { RECORD_TYPES, type ImportReport, type RecordType } from '../../vault-worker/api.ts';

interface Job { id: string; file: File; stage: 'waiting' | 'reading' | 'sealing' | 'sending' | 'done'; part: number; report: ImportReport | null; failure: unknown }

export function AddRecords() {
  const { t } = useTranslation();
  const { patient } = useMe();
  const queries = useQueryClient();
  const [jobs, setJobs] = useState<Job[]>([]);
  const queue = useRef<Promise<void>>(Promise.resolve());
  const busy = jobs.some((job) => !job.report && !job.failure);

  const change = (id: string, with_: Partial<Job>) => setJobs((all) => all.map((job) => (job.id === id ? { ...job, ...with_ } : job)));
  useEffect(() => onVault((event) => {
    if (event.event === 'progress') change(event.job, { stage: event.stage, part: event.total ? event.done / event.total : 0 });
  }), []);
  useEffect(() => {
    if (!busy) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [busy]);

  const run = (job: Job) => {
    // One after the other: each is matched with what the one before added.
    queue.current = queue.current.then(async () => {
      change(job.id, { stage: 'reading', failure: null });
      try {
        change(job.id, { report: await vault.importFile(patient, job.file, job.id), stage: 'done', part: 1 });
        await queries.invalidateQueries({ queryKey: ['vault', patient] });
      } catch (failure) {
        change(job.id, { failure });
      }
    });
  };
  const take = (files: Iterable<File>) => {
    const made = [...files].map((file): Job => ({ id: `${Date.now()}-${Math.floor(performance.now() * 1000)}-${file.name}`, file, stage: 'waiting', part: 0, report: null, failure: null }));
    setJobs((all) => [...made, ...all]);
    made.forEach(run);
  };
  return (
    <>
      <Head title={t('records.add_title')} actions={jobs.some((job) => job.report) ? <Button component={Link} to="/record">{t('records.to_record')}</Button> : undefined}>
        {t('records.add_more')}
      </Head>
      <div className="stack">
        <Drop onFiles={take} />
        {jobs.length > 0 ? (
          <section className="card flush" aria-live="polite">
            <ul className="list">{jobs.map((job) => <JobLine key={job.id} job={job} onRetry={() => run(job)} />)}</ul>
          </section>
        ) : null}
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

function JobLine({ job, onRetry }: { job: Job; onRetry: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const { report } = job;
  return (
    <li className="line" style={{ display: 'block' }}>
      <div className="between">
        <span className="grow"><b><bdi>{job.file.name}</bdi></b> <span className="muted small num">{size(job.file.size)}</span></span>
        {job.failure ? <Button size="compact-sm" variant="default" leftSection={<IconRefresh size={16} />} onClick={onRetry}>{t('records.retry')}</Button>
          : <Tag tone={report ? 'good' : 'plain'}>{t(`records.stage_${job.stage}`)}</Tag>}
      </div>
      {job.failure ? <p className="small" style={{ color: 'var(--bad-ink)', margin: '6px 0 0' }} role="alert">{why(job.failure)}</p> : null}
      {!report && !job.failure ? <Progress value={Math.max(4, job.part * 100)} animated mt={10} size="sm" aria-label={job.file.name} /> : null}
      {report ? (
        <>
          <p className="small muted num" style={{ margin: '4px 0 0' }}>{t('records.report', { created: count(report.created), updated: count(report.updated), unchanged: count(report.unchanged) })}</p>
          {report.rejected.length > 0 ? (
            <details className="small">
              <summary>{t('records.rejected', { count: report.rejected.length })}</summary>
              <ul>{report.rejected.slice(0, 100).map((one, at) => <li key={at}>{t('records.rejected_item', { index: one.index + 1, reason: one.reason })}</li>)}</ul>
            </details>
          ) : null}
        </>
      ) : null}
    </li>
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
