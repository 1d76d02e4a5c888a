/** A practitioner's patients: who has claimed their chart, whose access ends, how synchronisation goes. */
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { IconFileImport, IconPlus, IconSearch, IconUsersPlus } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { useAttachments, useCharts, useConnections } from '../../lib/practice.ts';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';
import { PracticeFrame } from '../../ui/practice-frame.tsx';
import { AccessBadge, ClaimBadge, SyncBadge } from './badges.tsx';
import { blank, ChartForm } from './chart-form.tsx';
import { ChartMenu } from './chart-menu.tsx';
import { type Case, cases, fits, found, ORDERS, type Order, sorted, type View, VIEWS } from './standing.ts';

/** Patients that are drawn at first, and with each "more". */
const PORTION = 100;

export function Caseload() {
  const { t } = useTranslation();
  const [opening, setOpening] = useState(false);
  const [draft, setDraft] = useState(blank);
  const actions = (
    <>
      <Button component={Link} to="/caseload/import" variant="default" leftSection={<IconFileImport size={18} />}>{t('caseload.import')}</Button>
      <Button leftSection={<IconPlus size={18} />} onClick={() => setOpening(true)}>{t('caseload.open')}</Button>
    </>
  );
  return (
    <PracticeFrame actions={actions}>
      <List onOpen={() => setOpening(true)} />
      {opening ? <ChartForm draft={draft} onDraft={setDraft} onClose={() => setOpening(false)} /> : null}
    </PracticeFrame>
  );
}

function List({ onOpen }: { onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  const why = useWhy();
  const charts = useCharts();
  const connections = useConnections();
  const attached = useAttachments(connections.data);
  const [view, setView] = useState<View>('all');
  const [order, setOrder] = useState<Order>('name');
  const [text, setText] = useState('');
  const [shown, setShown] = useState(PORTION);
  const wanted = useDeferredValue(text);
  const all = useMemo(
    () => cases(charts.data ?? [], attached.items, connections.data ?? [], charts.dataUpdatedAt || Date.now()),
    [charts.data, charts.dataUpdatedAt, attached.items, connections.data],
  );
  const listed = useMemo(() => sorted(found(all, view, wanted), order, i18n.language), [all, view, wanted, order, i18n.language]);
  if (charts.isPending) return <Waiting />;
  if (charts.error) return <Note tone="bad"><p>{why(charts.error)}</p></Note>;
  if (all.length === 0) {
    return (
      <section className="card">
        <Empty icon={IconUsersPlus} title={t('caseload.empty')}>
          <p>{t('caseload.empty_more')}</p>
          <div className="row" style={{ justifyContent: 'center' }}>
            <Button leftSection={<IconPlus size={18} />} onClick={onOpen}>{t('caseload.open')}</Button>
            <Button component={Link} to="/caseload/import" variant="default" leftSection={<IconFileImport size={18} />}>{t('caseload.import')}</Button>
          </div>
        </Empty>
      </section>
    );
  }
  return (
    <div className="stack">
      <div className="between">
        <TextInput
          className="grow" style={{ minWidth: 220, maxWidth: 460 }} type="search" leftSection={<IconSearch size={18} />} aria-label={t('caseload.find')}
          placeholder={t('caseload.find')} value={text} onChange={(event) => { setText(event.currentTarget.value); setShown(PORTION); }}
        />
        <NativeSelect aria-label={t('caseload.order')} value={order} onChange={(event) => setOrder(event.currentTarget.value as Order)} data={ORDERS.map((one) => ({ value: one, label: t(`caseload.order_${one}`) }))} />
      </div>
      <div className="chips" role="group" aria-label={t('caseload.views')}>
        {VIEWS.map((one) => {
          const many = all.filter(fits[one]).length;
          return (
            <button type="button" key={one} className="chip" aria-pressed={view === one} onClick={() => { setView(one); setShown(PORTION); }}>
              {t(`caseload.view_${one}`)} <span className="num" style={{ opacity: 0.75 }}>{count(many)}</span>
            </button>
          );
        })}
      </div>
      {attached.error || connections.error ? <Note tone="warn"><p>{t('caseload.sync_unknown')} {why(attached.error ?? connections.error)}</p></Note> : null}
      <p className="vh" role="status">{wanted.trim() || view !== 'all' ? t('caseload.found', { count: listed.length, shown: count(listed.length) }) : ''}</p>
      <section className="card flush" aria-label={t('practice.tab_caseload')}>
        {listed.length === 0 ? <Empty title={t(view === 'all' ? 'caseload.none_found' : `caseload.none_${view}`)} /> : (
          <ul className="list">{listed.slice(0, shown).map((one) => <Row key={one.chart.id} one={one} settled={!attached.isPending} />)}</ul>
        )}
        {listed.length > shown ? <p className="rest"><button type="button" className="link-button" onClick={() => setShown(shown + PORTION)}>{t('common.more')}</button></p> : null}
      </section>
    </div>
  );
}

function Row({ one, settled }: { one: Case; settled: boolean }) {
  const { t } = useTranslation();
  const { chart } = one;
  return (
    <li className="line case" data-chart={chart.name}>
      <span className="case-who">
        <Link to="/caseload/$id" params={{ id: chart.id }} className="t over"><bdi>{chart.name}</bdi></Link>
        <span className="s">{[chart.email ?? '', chart.date_of_birth ? t('caseload.born', { when: clinicalDate(chart.date_of_birth) }) : '', chart.carepatron_patient_id ? t('caseload.number', { number: chart.carepatron_patient_id }) : ''].filter(Boolean).join(' · ')}</span>
      </span>
      <span className="case-state"><ClaimBadge claim={one.claim} /> <AccessBadge access={one.access} /></span>
      <span className="case-sync">{settled ? <SyncBadge sync={one.sync} /> : null}</span>
      <ChartMenu chart={chart} />
    </li>
  );
}
