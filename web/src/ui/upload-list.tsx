/** Files on their way and what became of them: what was understood, and what was not. */
import { ActionIcon, Button, Progress } from '@mantine/core';
import { IconCheck, IconRefresh, IconX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { count, size } from '../lib/format.ts';
import { useHeaders, useWhy } from '../lib/hooks.ts';
import { Tag } from './pieces.tsx';
import { type ImportReport, RECORD_TYPES, type RecordHeader, VaultFailure } from '../vault-worker/api.ts';
import { isOver, type Stage, type Upload, uploads as store } from '../lib/uploads.ts';

/** Entries that are told one by one. */
const SHOWN = 100;

export function UploadList({ uploads, patient }: { uploads: Upload[]; patient: string }) {
  const { t } = useTranslation();
  const over = uploads.filter(isOver).length;
  const failed = uploads.filter((one) => one.failure !== null);
  const headers = useHeaders(patient);
  return (
    <section className="card flush">
      <header className="between">
        <div>
          <h2>{t('uploads.title')}</h2>
          <p className="small muted num" style={{ margin: 0 }} aria-live="polite">{t('uploads.progress', { count: uploads.length, over: count(over), all: count(uploads.length) })}</p>
        </div>
        <div className="row">
          {failed.length > 1 ? <Button size="compact-md" variant="default" leftSection={<IconRefresh size={16} />} onClick={() => failed.forEach((one) => store.retry(one.id, one.whole))}>{t('uploads.retry_all')}</Button> : null}
          {over > failed.length ? <Button size="compact-md" variant="subtle" onClick={() => store.clearDone()}>{t('uploads.clear')}</Button> : null}
        </div>
      </header>
      {over < uploads.length ? <p className="small muted" style={{ margin: 0, padding: '0 24px 12px' }}>{t('uploads.keep_open')}</p> : null}
      <ul className="list">{uploads.map((one) => <UploadLine key={one.id} upload={one} headers={headers.data ?? []} />)}</ul>
    </section>
  );
}

/** How full the bar of a stage is: reading is quick, sending is the most of it. */
const FILLED: Record<Stage, [number, number]> = { waiting: [0, 0], reading: [2, 15], sealing: [15, 35], sending: [35, 98], done: [100, 100] };

function filled({ stage, part }: Upload): number {
  const [from, to] = FILLED[stage];
  return from + (to - from) * part;
}

function UploadLine({ upload, headers }: { upload: Upload; headers: RecordHeader[] }) {
  const { t } = useTranslation();
  const { file, stage, report, failure } = upload;
  const name = <bdi>{file.name}</bdi>;
  return (
    <li className="line" style={{ display: 'block' }} data-upload={file.name}>
      <div className="between">
        <span className="grow"><b>{name}</b> <span className="muted small num">{size(file.size)}</span></span>
        <span className="row">
          {failure ? null : <Tag tone={report ? 'good' : 'plain'}>{report ? <IconCheck size={14} aria-hidden /> : null} {t(`records.stage_${stage}`)}</Tag>}
          {stage === 'waiting' || isOver(upload) ? <ActionIcon variant="subtle" color="gray" aria-label={t('uploads.remove', { name: file.name })} onClick={() => store.remove(upload.id)}><IconX size={18} /></ActionIcon> : null}
        </span>
      </div>
      {failure ? <Failed upload={upload} /> : null}
      {!report && !failure && stage !== 'waiting' ? <Progress value={filled(upload)} animated mt={10} size="sm" aria-label={file.name} /> : null}
      {report ? <Report report={report} headers={headers} /> : null}
    </li>
  );
}

function Failed({ upload }: { upload: Upload }) {
  const { t } = useTranslation();
  const why = useWhy();
  const fault = useFault();
  const code = upload.failure instanceof VaultFailure ? upload.failure.code : '';
  const unread = code.startsWith('fhir.');
  return (
    <div className="stack-s" style={{ marginTop: 6 }}>
      <p className="small" style={{ color: 'var(--bad-ink)', margin: 0 }} role="alert">{unread ? t('uploads.unread', { reason: fault(code, '') }) : why(upload.failure)}</p>
      <div className="row">
        <Button size="compact-sm" variant="default" leftSection={<IconRefresh size={16} />} onClick={() => store.retry(upload.id, upload.whole)}>{t('records.retry')}</Button>
        {unread ? <Button size="compact-sm" variant="default" onClick={() => store.retry(upload.id, true)}>{t('uploads.keep_whole')}</Button> : null}
      </div>
    </div>
  );
}

/** Why something was not understood, in the reader's language where it has a word. */
function useFault(): (code: string, otherwise: string) => string {
  const { t, i18n } = useTranslation();
  return (code, otherwise) => {
    const key = `uploads.fault.${code.replace('fhir.', '')}`;
    return i18n.exists(key) ? t(key as 'uploads.fault.syntax') : otherwise || code;
  };
}

function Report({ report, headers }: { report: ImportReport; headers: RecordHeader[] }) {
  const { t } = useTranslation();
  const fault = useFault();
  const written = new Set(report.written);
  const own = headers.filter((one) => written.has(one.id));
  const types = RECORD_TYPES.map((type) => ({ type, many: own.filter((one) => one.record_type === type).length })).filter((one) => one.many > 0);
  const sensitive = own.filter((one) => one.kinds.length > 0).length;
  const more = (all: number) => (all > SHOWN ? <li>{t('uploads.and_more', { count: all - SHOWN, shown: count(all - SHOWN) })}</li> : null);
  return (
    <div className="stack-s small" style={{ marginTop: 4 }}>
      <p className="muted num" style={{ margin: 0 }}>
        {t('records.report', { created: count(report.created), updated: count(report.updated), unchanged: count(report.unchanged) })}
        {report.read ? '' : ` · ${t('uploads.kept_whole')}`}
      </p>
      {types.length > 0 && report.read ? (
        <div className="row" style={{ gap: 6 }}>
          {types.map(({ type, many }) => <Tag key={type}>{t(`types.${type}`)} <span className="num">{count(many)}</span></Tag>)}
          {sensitive > 0 ? <Tag tone="warn">{t('uploads.sensitive', { count: sensitive, shown: count(sensitive) })}</Tag> : null}
        </div>
      ) : null}
      {report.rejected.length > 0 ? (
        <details>
          <summary>{t('records.rejected', { count: report.rejected.length })}</summary>
          <ul>{report.rejected.slice(0, SHOWN).map((one, at) => <li key={at}>{t('records.rejected_item', { index: one.index + 1, reason: fault(one.code, one.reason) })}</li>)}{more(report.rejected.length)}</ul>
        </details>
      ) : null}
      {report.odd_count > 0 ? (
        <details>
          <summary>{t('uploads.odd', { count: report.odd_count, shown: count(report.odd_count) })}</summary>
          <ul>{report.odd.map((one, at) => <li key={at}>{fault(one.code, one.code)} <span className="key muted">{one.pointer}</span></li>)}{more(report.odd_count)}</ul>
        </details>
      ) : null}
    </div>
  );
}
