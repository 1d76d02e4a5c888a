/** Where documents are sent that somebody asked for: without an account, by whoever has the link. Nothing of the record is shown. */
import { ActionIcon, Button, Progress, TextInput } from '@mantine/core';
import { IconCheck, IconLinkOff, IconLock, IconRefresh, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { type Asked, openDocumentRequest, sendDocument } from '../../lib/document-requests.ts';
import { clinicalDate, count, day, size } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { Drop } from '../../ui/drop.tsx';
import { Empty, Mark, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { type Sending, Sendings } from './sending.ts';

export function Reply() {
  const { t } = useTranslation();
  const why = useWhy();
  const { token = '' } = useParams({ strict: false });
  const asked = useQuery({ queryKey: ['asked', token], queryFn: () => openDocumentRequest(token), retry: false, staleTime: Infinity });
  useEffect(() => {
    document.title = `${t('reply.title')} · Chartkey`;
  }, [t]);
  const gone = asked.error instanceof VaultFailure && [404, 410].includes(asked.error.failure.status ?? 0);
  return (
    <div className="reply">
      <header><span className="brand"><Mark /> Chartkey</span></header>
      <main>
        {asked.isPending ? <><h1 className="vh">{t('reply.title')}</h1><Waiting /></>
          : gone ? <section className="card"><h1 className="vh">{t('reply.title')}</h1><Empty icon={IconLinkOff} title={t('reply.gone')}><p>{t('reply.gone_more')}</p></Empty></section>
            : asked.error ? <><h1>{t('reply.title')}</h1><Note tone="bad"><p>{why(asked.error)}</p></Note><p><Button variant="default" onClick={() => void asked.refetch()}>{t('common.again')}</Button></p></>
              : <Form token={token} asked={asked.data} />}
      </main>
    </div>
  );
}

function Form({ token, asked }: { token: string; asked: Asked }) {
  const { t } = useTranslation();
  const [sender, setSender] = useState('');
  const who = useRef('');
  useEffect(() => {
    who.current = sender.trim();
  }, [sender]);
  const sendings = useMemo(() => new Sendings((file, onPart) => sendDocument(token, file, who.current, onPart), asked.max_document_bytes), [token, asked.max_document_bytes]);
  const all = useSyncExternalStore(sendings.subscribe, sendings.list);
  const risk = all.some((one) => one.stage === 'waiting' || one.stage === 'sending');
  useEffect(() => {
    if (!risk) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [risk]);
  const sent = all.filter((one) => one.stage === 'sent').length;
  const facts: [string, string][] = [
    [t('reply.about'), [asked.patient_name, asked.patient_date_of_birth ? t('caseload.born', { when: clinicalDate(asked.patient_date_of_birth) }) : ''].filter(Boolean).join(', ')],
    [t('reply.what'), asked.types.length ? asked.types.map((type) => t(`types.${type}`)).join(', ') : t('asking.whatever')],
    ...(asked.since ? [[t('reply.since'), clinicalDate(asked.since)] as [string, string]] : []),
    [t('reply.until'), day(asked.expires_at)],
  ];
  return (
    <div className="stack">
      <div>
        <h1>{t('reply.title')}</h1>
        <p className="muted" style={{ margin: 0 }}><bdi>{t('reply.more', { name: [asked.asker_name, asked.asker_organization].filter(Boolean).join(', ') })}</bdi></p>
      </div>
      <section className="card">
        <dl className="facts">{facts.map(([label, value]) => <div key={label}><dt>{label}</dt><dd><bdi>{value}</bdi></dd></div>)}</dl>
        {asked.message ? <blockquote className="words"><bdi>{asked.message}</bdi></blockquote> : null}
      </section>
      <section className="card stack">
        <TextInput label={t('reply.sender')} description={t('reply.sender_more')} autoComplete="organization" maxLength={200} value={sender} onChange={(event) => setSender(event.currentTarget.value)} />
        <Drop onFiles={(files) => sendings.add(files)} more={t('reply.limits', { most: size(asked.max_document_bytes), count: asked.max_documents })} />
        {all.length > 0 ? <ul className="list boxed" aria-label={t('reply.files')}>{all.map((one) => <Line key={one.id} one={one} onRetry={() => sendings.retry(one.id)} onRemove={() => sendings.remove(one.id)} />)}</ul> : null}
        {sent > 0 && !risk ? <div role="status"><Note tone="good"><p>{t('reply.thanks', { count: sent, shown: count(sent) })}</p></Note></div> : null}
        <p className="small muted row" style={{ margin: 0, flexWrap: 'nowrap' }}><IconLock size={18} aria-hidden style={{ flex: 'none' }} /> {t('reply.sealed')}</p>
      </section>
    </div>
  );
}

function Line({ one, onRetry, onRemove }: { one: Sending; onRetry: () => void; onRemove: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const large = one.failure === 'too_large';
  return (
    <li className="line" style={{ display: 'block' }} data-file={one.file.name}>
      <div className="between">
        <span className="grow"><b><bdi>{one.file.name}</bdi></b> <span className="small muted num">{size(one.file.size)}</span></span>
        <span className="row">
          <Tag tone={one.stage === 'sent' || one.stage === 'known' ? 'good' : one.stage === 'failed' ? 'bad' : 'plain'}>{one.stage === 'sent' ? <IconCheck size={14} aria-hidden /> : null} {t(`reply.stage_${one.stage}`)}</Tag>
          {one.stage === 'failed' && !large ? <Button size="compact-sm" variant="default" leftSection={<IconRefresh size={16} />} onClick={onRetry}>{t('records.retry')}</Button> : null}
          {one.stage === 'sending' ? null : <ActionIcon variant="subtle" color="gray" aria-label={t('uploads.remove', { name: one.file.name })} onClick={onRemove}><IconX size={18} /></ActionIcon>}
        </span>
      </div>
      {one.stage === 'failed' ? <p className="small urgent" role="alert" style={{ margin: '4px 0 0' }}>{large ? t('reply.too_large') : why(one.failure)}</p> : null}
      {one.stage === 'sending' ? <Progress value={Math.max(4, one.part * 100)} animated mt={8} size="sm" aria-label={one.file.name} /> : null}
    </li>
  );
}
