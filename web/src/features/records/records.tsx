/** One's own record: as a clinician reads it, by type, as a timeline, and searched. */
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { IconFolderPlus, IconPlus, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countTypes, entries, find } from '../../lib/find.ts';
import { count } from '../../lib/format.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { useNamedSources } from '../../lib/sources.ts';
import { vault } from '../../lib/vault.ts';
import { Clinical } from '../../ui/clinical.tsx';
import { Empty, Head, Note, Waiting } from '../../ui/pieces.tsx';
import { Timeline } from '../../ui/timeline.tsx';
import { RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';

export function Records() {
  const { t } = useTranslation();
  const { patient } = useMe();
  const headers = useHeaders(patient);
  const why = useWhy();
  const [view, setView] = useState<'overview' | 'timeline'>('overview');
  const [text, setText] = useState('');
  const [types, setTypes] = useState<ReadonlySet<RecordType>>(new Set());
  const wanted = useDeferredValue(text);
  const all = useMemo(() => entries(headers.data ?? []), [headers.data]);
  const found = useMemo(() => find(all, wanted, types), [all, wanted, types]);
  const counts = useMemo(() => countTypes(headers.data ?? []), [headers.data]);
  const sources = useMemo(() => new Set(all.map((one) => one.header.source)).size, [all]);

  if (headers.isPending) return <Waiting />;
  if (headers.error) return <><Head title={t('records.title')} /><Note tone="bad"><p>{why(headers.error)}</p></Note></>;
  const addButton = <Button component={Link} to="/record/add" leftSection={<IconPlus size={18} />}>{t('records.add')}</Button>;
  if (all.length === 0) {
    return (
      <>
        <Head title={t('records.title')} />
        <section className="card"><Empty icon={IconFolderPlus} title={t('records.empty')}><p>{t('records.empty_more')}</p>{addButton}</Empty></section>
      </>
    );
  }
  const searching = wanted.trim() !== '' || types.size > 0;
  const toggle = (type: RecordType) => {
    const next = new Set(types);
    if (!next.delete(type)) next.add(type);
    setTypes(next);
  };
  return (
    <>
      <Head title={t('records.title')} actions={addButton}>
        {t('records.more', { count: all.length, shown: count(all.length), sources: t('records.sources', { count: sources }) })}
      </Head>
      <div className="stack">
        <div className="between">
          <TextInput
            className="grow" style={{ minWidth: 220, maxWidth: 520 }} type="search" leftSection={<IconSearch size={18} />} aria-label={t('records.search')}
            placeholder={t('records.search_placeholder')} value={text} onChange={(event) => setText(event.currentTarget.value)}
          />
          <SegmentedControl
            value={searching ? 'timeline' : view} disabled={searching} onChange={(value) => setView(value as 'overview' | 'timeline')}
            aria-label={t('records.title')}
            data={[{ value: 'overview', label: t('records.overview') }, { value: 'timeline', label: t('records.timeline') }]}
          />
        </div>
        <div className="chips" role="group" aria-label={t('records.by_type')}>
          {RECORD_TYPES.filter((type) => counts.has(type)).map((type) => (
            <button type="button" key={type} className="chip" aria-pressed={types.has(type)} onClick={() => toggle(type)}>
              {t(`types.${type}`)} <span className="num" style={{ opacity: 0.75 }}>{count(counts.get(type) ?? 0)}</span>
            </button>
          ))}
        </div>
        <p className="vh" role="status">{searching ? t('records.found', { count: found.length, shown: count(found.length) }) : ''}</p>
        {searching || view === 'timeline' ? (
          found.length ? <Timeline entries={found} link={(id) => ({ to: '/record/item/$id', params: { id } })} /> : <section className="card"><Empty title={t('records.found', { count: 0, shown: '0' })} /></section>
        ) : (
          <Overview patient={patient} />
        )}
      </div>
    </>
  );
}

function Overview({ patient }: { patient: string }) {
  const why = useWhy();
  const navigate = useNavigate();
  const document = useQuery({ queryKey: ['vault', patient, 'clinical'], queryFn: () => vault.clinical(patient, null) });
  const named = useNamedSources(patient, document.data);
  if (document.error) return <Note tone="bad"><p>{why(document.error)}</p></Note>;
  if (!named) return <Waiting />;
  return <Clinical document={named} onRecord={(id) => void navigate({ to: '/record/item/$id', params: { id } })} />;
}
