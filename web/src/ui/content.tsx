/**
 * What a record holds, opened in place. Only what cannot run is shown: text as
 * text, pictures whose bytes say that they are pictures; everything else is offered as a file.
 */
import { Button } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useEffect, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { picture } from '../lib/sniff.ts';
import type { RecordContent } from '../vault-worker/api.ts';

export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Hands bytes to the browser as a download; the type is one that never opens in place. */
export function save(name: string, parts: BlobPart, type = 'application/octet-stream') {
  const url = URL.createObjectURL(new Blob([parts], { type }));
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Text for machines; long ones scroll, and so can be reached by keyboard. */
export function Source({ text, label }: { text: string; label: string }) {
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
  return <pre className="source" tabIndex={0} role="region" aria-label={label}>{text}</pre>;
}

export function Content({ content }: { content: RecordContent }) {
  const { t } = useTranslation();
  const { header, text, bytes } = content;
  const type = useMemo(() => (bytes ? picture(new Uint8Array(bytes)) : null), [bytes]);
  const url = useMemo(() => (bytes && type ? URL.createObjectURL(new Blob([bytes], { type })) : null), [bytes, type]);
  useEffect(() => () => {
    if (url) URL.revokeObjectURL(url);
  }, [url]);
  if (header.body === 'resource') return <Source text={pretty(text ?? '')} label={t('records.detail_json')} />;
  if (header.body === 'text') return <p style={{ whiteSpace: 'pre-wrap', maxWidth: '74ch', margin: 0 }}>{text}</p>;
  const name = header.file_name ?? header.title;
  return (
    <div className="stack-s">
      {url ? <img src={url} alt={header.title} style={{ maxWidth: '100%', borderRadius: 12 }} /> : <p className="muted" style={{ margin: 0 }}>{t('records.detail_not_shown')}</p>}
      <div><Button variant="default" leftSection={<IconDownload size={18} />} onClick={() => bytes && save(name, bytes)}>{t('records.detail_download')}</Button></div>
    </div>
  );
}
