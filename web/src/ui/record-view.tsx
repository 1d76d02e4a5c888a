/** One record on a screen of its own: what it says as a person reads it, and its source one click away. */
import { Button } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, moment, size } from '../lib/format.ts';
import { useWhy } from '../lib/hooks.ts';
import { useSourceName } from '../lib/sources.ts';
import { vault } from '../lib/vault.ts';
import { Content, save } from './content.tsx';
import { facts } from './facts.ts';
import { Head, Note, Tag, Waiting } from './pieces.tsx';

/** `title` stands above while there is nothing else to say; `author` for what one signed oneself. */
export function RecordView({ patient, id, title, author, back }: { patient: string; id: string; title: string; author: string; back: ReactNode }) {
  const { t } = useTranslation();
  const why = useWhy();
  const record = useQuery({ queryKey: ['vault', patient, 'record', id], queryFn: () => vault.readRecord(patient, id) });
  const sourceName = useSourceName(patient);
  if (record.isPending) return <Waiting />;
  if (record.error) return <><Head title={title} actions={back} /><Note tone="bad"><p>{why(record.error)}</p></Note></>;
  const { header, text } = record.data;
  const source = sourceName(header.source);
  const codes = header.codes.map((code) => [code.display, code.code].filter(Boolean).join(' · ')).filter(Boolean);
  const told: [string, string][] = header.body === 'resource' && text ? facts(text) : [];
  const about: [string, string][] = [
    [t('records.detail_source'), source],
    [t('records.detail_author'), header.author_name ?? (header.signed ? author : '—')],
    [t('records.detail_stored'), moment(header.updated_at)],
    [t('records.detail_version'), String(header.version)],
    ...(header.body === 'resource' ? [] : [[t('records.detail_file'), `${header.file_name ?? header.content_type} · ${size(header.size)}`] as [string, string]]),
  ];
  return (
    <>
      <Head title={header.title} actions={back}>
        {[t(`types.${header.record_type}`), clinicalDate(header.date)].filter(Boolean).join(' · ')}
      </Head>
      <div className="stack">
        <section className="card">
          <div className="row" style={{ marginBottom: told.length || header.value ? 14 : 0 }}>
            {header.signed ? <Tag tone="good">{t('records.detail_signed')}</Tag> : <Tag>{t('records.detail_server', { source })}</Tag>}
            {header.status ? <Tag>{header.status}</Tag> : null}
            {header.kinds.map((kind) => <Tag key={kind} tone="warn">{t(`kinds.${kind}`)}</Tag>)}
          </div>
          {header.value ? <p className="big-value num">{header.value}</p> : null}
          <Facts facts={told} />
        </section>
        {header.body === 'resource' ? null : <section className="card"><Content content={record.data} /></section>}
        <section className="card"><Facts facts={[...about, ...(codes.length ? [[t('records.detail_code'), codes.join('\n')] as [string, string]] : [])]} /></section>
        {header.body === 'resource' ? (
          <details className="card">
            <summary className="between"><span><b>{t('records.detail_json')}</b><br /><span className="muted small">{t('records.detail_json_more')}</span></span></summary>
            <div className="stack-s" style={{ marginTop: 16 }}>
              <Content content={record.data} />
              <div><Button variant="default" leftSection={<IconDownload size={18} />} onClick={() => save(`${header.id}.json`, text ?? '')}>{t('records.detail_download')}</Button></div>
            </div>
          </details>
        ) : null}
      </div>
    </>
  );
}

function Facts({ facts: list }: { facts: [string, string][] }) {
  return (
    <dl className="facts">
      {list.map(([label, value], at) => (
        <div key={at}><dt>{label}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  );
}
