/** One patient's documents: searched as a list, or read as a clinician does. */
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { IconFileOff, IconPlus, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countTypes, entries, find } from '../../lib/find.ts';
import { count } from '../../lib/format.ts';
import { useHeaders, useWhy } from '../../lib/hooks.ts';
import type { Chart } from '../../lib/practice.ts';
import { useNamedSources } from '../../lib/sources.ts';
import { vault } from '../../lib/vault.ts';
import { Clinical } from '../../ui/clinical.tsx';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';
import { Timeline } from '../../ui/timeline.tsx';
import { RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';
import { ChartFrame } from './chart-frame.tsx';

export function ChartDocuments() {
  return <ChartFrame>{(chart) => <Documents chart={chart} />}</ChartFrame>;
}

function Documents({ chart }: { chart: Chart }) {
  const { t } = useTranslation();
  const why = useWhy();
  const headers = useHeaders(chart.id);
  const [view, setView] = useState<'timeline' | 'overview'>('timeline');
  const [text, setText] = useState('');
  const [types, setTypes] = useState<ReadonlySet<RecordType>>(new Set());
  const wanted = useDeferredValue(text);
  const all = useMemo(() => entries(headers.data ?? []), [headers.data]);
  const found = useMemo(() => find(all, wanted, types), [all, wanted, types]);
  const counts = useMemo(() => countTypes(headers.data ?? []), [headers.data]);
  if (headers.isPending) return <Waiting />;
  if (headers.error) return <Note tone="bad"><p>{why(headers.error)}</p></Note>;
  if (all.length === 0) {
    return (
      <section className="card">
        <Empty icon={IconFileOff} title={t('caseload.documents_none')}>
          <p>{t('caseload.documents_none_more')}</p>
          <div className="row" style={{ justifyContent: 'center' }}>
            <Button component={Link} to={`/caseload/${chart.id}/add`} leftSection={<IconPlus size={18} />}>{t('caseload.add')}</Button>
            <Button component={Link} to={`/caseload/${chart.id}/sync`} variant="default">{t('caseload.tab_sync')}</Button>
          </div>
        </Empty>
      </section>
    );
  }
  const searching = wanted.trim() !== '' || types.size > 0;
  const toggle = (type: RecordType) => {
    const next = new Set(types);
    if (!next.delete(type)) next.add(type);
    setTypes(next);
  };
  return (
    <div className="stack">
      <div className="between">
        <TextInput
          className="grow" style={{ minWidth: 220, maxWidth: 460 }} type="search" leftSection={<IconSearch size={18} />} aria-label={t('caseload.search')}
          placeholder={t('records.search_placeholder')} value={text} onChange={(event) => setText(event.currentTarget.value)}
        />
        <SegmentedControl
          value={searching ? 'timeline' : view} disabled={searching} onChange={(value) => setView(value as 'overview' | 'timeline')} aria-label={t('caseload.tab_documents')}
          data={[{ value: 'timeline', label: t('records.timeline') }, { value: 'overview', label: t('records.overview') }]}
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
      {searching || view === 'timeline'
        ? found.length ? <Timeline entries={found} link={(record) => ({ to: '/caseload/$id/record/$record', params: { id: chart.id, record } })} /> : <section className="card"><Empty title={t('records.found', { count: 0, shown: '0' })} /></section>
        : <Overview patient={chart.id} />}
    </div>
  );
}

function Overview({ patient }: { patient: string }) {
  const why = useWhy();
  const navigate = useNavigate();
  const document = useQuery({ queryKey: ['vault', patient, 'clinical'], queryFn: () => vault.clinical(patient, null) });
  const named = useNamedSources(patient, document.data);
  if (document.error) return <Note tone="bad"><p>{why(document.error)}</p></Note>;
  if (!named) return <Waiting />;
  return <Clinical document={named} onRecord={(record) => void navigate({ to: '/caseload/$id/record/$record', params: { id: patient, record } })} />;
}
