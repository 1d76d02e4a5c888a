/**
 * A record as a clinician reads it: first what is wrong, taken and dangerous,
 * then every section. Draws what the core's clinical document says, as text.
 */
import { Modal } from '@mantine/core';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count } from '../lib/format.ts';
import { dots, ends } from '../lib/series.ts';
import type { ClinicalDocument, Flag, FrontBlock, Origin, Section, Series, SeriesGroup, Table } from '../vault-worker/api.ts';
import { Spark, Tag } from './pieces.tsx';

const Chart = lazy(() => import('./chart.tsx').then((module) => ({ default: module.Chart })));

/** Rows of a table or group that are shown before somebody asks for the rest. */
const FIRST_ROWS = 12;

type OpenRecord = (id: string) => void;

export function FlagTag({ flag }: { flag: Flag | null }) {
  const { t } = useTranslation();
  if (!flag) return null;
  return <Tag tone={flag.startsWith('critical') ? 'bad' : 'warn'}>{t(`clinical.${flag}`)}</Tag>;
}

function useSectionTitle() {
  const { t, i18n } = useTranslation();
  return (section: Section) => {
    const key = `clinical.section.${section.key}`;
    return i18n.exists(key) ? t(key as 'clinical.section.labs') : section.title;
  };
}

/** Who it is about. */
export function Banner({ document }: { document: ClinicalDocument }) {
  const { t } = useTranslation();
  const who = document.patient;
  if (!who) return null;
  const facts = [
    who.birth_date && t('clinical.born', { date: clinicalDate(who.birth_date) }),
    who.sex,
    who.deceased && t('clinical.died', { date: clinicalDate(who.deceased) }),
    ...who.identifiers.slice(0, 2).map((one) => `${one.label} ${one.text}`),
  ].filter(Boolean);
  return (
    <div className="banner">
      {who.name ? <b><bdi>{who.name}</bdi></b> : null}
      <span className="muted">{facts.join(' · ')}</span>
    </div>
  );
}

export function FrontPage({ document }: { document: ClinicalDocument }) {
  const { t } = useTranslation();
  const { alerts, problems, allergies, medicines } = document.front;
  const blocks: [string, FrontBlock][] = [[t('clinical.problems'), problems], [t('clinical.allergies'), allergies], [t('clinical.medicines'), medicines]];
  return (
    <div className="stack">
      {alerts.lines.length > 0 ? (
        <div className="card alerts">
          <h2>{t('clinical.alerts')}</h2>
          <Lines block={alerts} />
        </div>
      ) : null}
      <div className="front">
        {blocks.map(([title, block]) => (
          <div className="card" key={title}><h2>{title}</h2><Lines block={block} /></div>
        ))}
      </div>
    </div>
  );
}

function Lines({ block }: { block: FrontBlock }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  if (block.lines.length === 0) return <p className="muted small">{block.empty}</p>;
  const shown = all ? block.lines : block.lines.slice(0, 8);
  return (
    <>
      <ul>
        {shown.map((line, at) => (
          <li key={at} className={line.urgent ? 'urgent' : undefined}>
            <b>{line.title}</b>
            {line.detail || line.date ? <div className="small muted">{[line.detail, clinicalDate(line.date)].filter(Boolean).join(' · ')}</div> : null}
          </li>
        ))}
      </ul>
      {shown.length < block.lines.length ? <button type="button" className="link-button" onClick={() => setAll(true)}>{t('common.more')} ({block.lines.length - shown.length})</button> : null}
      {all && block.more > 0 ? <p className="muted small">{t('clinical.and_more', { count: block.more })}</p> : null}
    </>
  );
}

/** The whole document, with a list of its sections beside it. */
export function Clinical({ document, onRecord }: { document: ClinicalDocument; onRecord?: OpenRecord }) {
  const { t } = useTranslation();
  const title = useSectionTitle();
  return (
    <div className="stack" style={{ gap: 32 }}>
      <Banner document={document} />
      <FrontPage document={document} />
      <div className="doc">
        <nav className="toc" aria-label={t('clinical.sections')}>
          {document.sections.map((section) => <a key={section.key} href={`#section-${section.key}`} onClick={(event) => jump(event, section.key)}>{title(section)}</a>)}
        </nav>
        <div className="stack" style={{ gap: 32 }}>
          {document.sections.map((section) => <SectionView key={section.key} section={section} document={document} onRecord={onRecord} />)}
          <Sources document={document} />
        </div>
      </div>
    </div>
  );
}

/** The address's fragment is a link's key, so sections are reached without one. */
function jump(event: { preventDefault: () => void }, key: string) {
  event.preventDefault();
  const place = window.document.getElementById(`section-${key}`);
  place?.scrollIntoView({ block: 'start' });
  place?.focus({ preventScroll: true });
}

export function SectionView({ section, document, onRecord }: { section: Section; document: ClinicalDocument; onRecord?: OpenRecord }) {
  const title = useSectionTitle()(section);
  return (
    <section className="card flush" id={`section-${section.key}`} aria-label={title} tabIndex={-1} style={{ scrollMarginTop: 20 }}>
      <header><h2>{title}</h2></header>
      {section.series.map((group, at) => <Group key={at} group={group} document={document} onRecord={onRecord} />)}
      {section.tables.map((table, at) => <TableView key={at} table={table} document={document} onRecord={onRecord} />)}
      {section.texts.map((text, at) => (
        <details key={at} className="fold-text">
          <summary><b>{text.title}</b> <span className="muted small">{[clinicalDate(text.date), text.detail].filter(Boolean).join(' · ')}</span></summary>
          <div>{text.lines.map((line, n) => <p key={n}>{line}</p>)}</div>
        </details>
      ))}
    </section>
  );
}

function Group({ group, document, onRecord }: { group: SeriesGroup; document: ClinicalDocument; onRecord?: OpenRecord }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState<Series | null>(null);
  const shown = all ? group.series : group.series.slice(0, FIRST_ROWS);
  return (
    <>
      {group.title ? <h3 className="group">{group.title}</h3> : null}
      <ul className="list">
        {shown.map((series, at) => {
          const [latest] = series.points;
          if (!latest) return null;
          return (
            <li key={at}>
              <button type="button" className="line series" onClick={() => setOpen(series)}>
                <span>
                  <span className="t">{series.title}</span>
                  <span className="s"> {series.range ? t('clinical.range', { range: series.range }) : ''}</span>
                  <br />
                  <span className="s">{[clinicalDate(latest.date), t('clinical.results', { count: series.points.length })].filter(Boolean).join(' · ')}</span>
                </span>
                <span className="trend"><Spark points={series.spark} band={series.band} /></span>
                <span className="e"><b>{latest.value}</b> <span className="muted small">{series.unit}</span><br /><FlagTag flag={latest.flag} /></span>
              </button>
            </li>
          );
        })}
      </ul>
      {shown.length < group.series.length ? <p className="rest"><button type="button" className="link-button" onClick={() => setAll(true)}>{t('common.more')} ({group.series.length - shown.length})</button></p> : null}
      <Modal opened={open !== null} onClose={() => setOpen(null)} size="xl" title={open?.title ?? ''} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {open ? <SeriesView series={open} document={document} onRecord={onRecord} /> : null}
      </Modal>
    </>
  );
}

/** One test over the years. */
export function SeriesView({ series, document, onRecord }: { series: Series; document: ClinicalDocument; onRecord?: OpenRecord }) {
  const { t } = useTranslation();
  const drawn = dots(series);
  return (
    <div className="stack">
      <p className="muted" style={{ margin: 0 }}>{[series.unit, series.range ? t('clinical.range', { range: series.range }) : t('clinical.no_range')].filter(Boolean).join(' · ')}</p>
      {drawn.length > 1 ? <Suspense fallback={<div className="chart" />}><Chart dots={drawn} range={ends(series.range)} label={t('clinical.chart', { test: series.title })} unit={series.unit} /></Suspense> : null}
      <table className="plain">
        <caption className="vh">{t('clinical.history', { test: series.title })}</caption>
        <thead><tr><th scope="col">{t('clinical.date')}</th><th scope="col">{t('clinical.value')}</th><th scope="col">{t('clinical.flag')}</th><th scope="col">{t('clinical.source')}</th></tr></thead>
        <tbody>
          {series.points.map((point, at) => (
            <tr key={at}>
              <td className="num">{clinicalDate(point.date)} {point.time ?? ''}</td>
              <td className="num"><b>{point.value}</b> {series.unit}{point.remark ? <div className="small muted">{point.remark}</div> : null}</td>
              <td><FlagTag flag={point.flag} /></td>
              <td><OriginView origin={point.origin} document={document} onRecord={onRecord} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function OriginView({ origin, document, onRecord }: { origin: Origin; document: ClinicalDocument; onRecord?: OpenRecord }): ReactNode {
  const { t } = useTranslation();
  const names = origin.sources.map((at) => document.sources[at]).filter((one) => one !== undefined);
  const words = names.map((one) => (one.sealed_by_server ? `${one.name} (${t('clinical.by_server')})` : one.name)).join(', ');
  const [first] = origin.records;
  if (!onRecord || !first) return <span className="small muted">{words}</span>;
  return <button type="button" className="link-button small" onClick={() => onRecord(first)} title={t('clinical.open_record')}>{words || t('clinical.open_record')}</button>;
}

function TableView({ table, document, onRecord }: { table: Table; document: ClinicalDocument; onRecord?: OpenRecord }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const rows = all ? table.rows : table.rows.slice(0, FIRST_ROWS);
  return (
    <>
      {table.title ? <h3 className="group">{table.title} <span className="muted small">{count(table.rows.length)}</span></h3> : null}
      <div className="scroll-x">
        <table className="plain fold">
          <thead><tr>{table.columns.map((column) => <th scope="col" key={column.title}>{column.title}</th>)}<th scope="col">{t('clinical.source')}</th></tr></thead>
          <tbody>
            {rows.map((row, at) => (
              <tr key={at}>
                <td>
                  <b className={row.urgent ? 'urgent' : undefined}>{row.title}</b>
                  {row.sub.map((line, n) => <div key={n} className="small muted">{line}</div>)}
                  {row.also.length > 0 ? <div className="small muted">{t('clinical.also', { dates: row.also.slice(0, 6).join(', ') })}{row.also.length > 6 ? ' …' : ''}</div> : null}
                </td>
                {row.cells.map((cell, n) => <td key={n} data-label={table.columns[n + 1]?.title} className="num">{/^\d{4}-\d{2}(-\d{2})?$/.test(cell) ? clinicalDate(cell) : cell}</td>)}
                <td data-label={t('clinical.source')}><OriginView origin={row.origin} document={document} onRecord={onRecord} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length < table.rows.length ? <p className="rest"><button type="button" className="link-button" onClick={() => setAll(true)}>{t('common.more')} ({table.rows.length - rows.length})</button></p> : null}
    </>
  );
}

function Sources({ document }: { document: ClinicalDocument }) {
  const { t } = useTranslation();
  return (
    <section className="card" aria-label={t('clinical.sources')}>
      <h2>{t('clinical.sources')}</h2>
      <ul className="list" style={{ marginTop: 10 }}>
        {document.sources.map((source, at) => (
          <li key={at} className="between" style={{ padding: '10px 0' }}>
            <span><bdi>{source.name}</bdi> {source.sealed_by_server ? <Tag>{t('clinical.by_server')}</Tag> : null}</span>
            <span className="muted num">{t('clinical.records', { count: source.records })}</span>
          </li>
        ))}
      </ul>
      {document.notes.map((note) => <p key={note} className="small muted" style={{ marginBottom: 0 }}>{note}</p>)}
    </section>
  );
}
