/**
 * One's record on paper: as a clinician reads it, nothing folded away, for the
 * browser to print, or as a PDF set here. It is made of what this device opened.
 */
import { Button } from '@mantine/core';
import { IconArrowLeft, IconPrinter } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count, moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { PdfButton, PdfState, usePdf } from '../../ui/pdf.tsx';
import { Head, Note, Waiting } from '../../ui/pieces.tsx';
import type { ClinicalDocument, FrontBlock, Section, Series } from '../../vault-worker/api.ts';

/** Values of one test that are printed, the newest; how many more there are is said. */
const NEWEST = 24;

export function Paper() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account, patient } = useMe();
  const pdf = usePdf();
  const document = useQuery({ queryKey: ['vault', patient, 'clinical'], queryFn: () => vault.clinical(patient, null) });
  const take = (made: ClinicalDocument) => pdf.begin(`chartkey-${new Date().toISOString().slice(0, 10)}.pdf`, {
    document: made,
    notice: { patient_name: account.name, recipient: account.name, sender: account.name, share_id: null, purpose: null, message: null, generated_at: new Date().toISOString(), expires_at: null },
  });
  const back = <Button component={Link} to="/settings/data" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('settings.title')}</Button>;
  return (
    <>
      <div className="no-print">
        <Head title={t('safety.print_title')} actions={<>{back}<PdfButton pdf={pdf} variant="default" disabled={!document.data} onClick={() => document.data && take(document.data)} /><Button leftSection={<IconPrinter size={18} />} disabled={!document.data} onClick={() => window.print()}>{t('safety.print_do')}</Button></>}>{t('safety.export_warning')}</Head>
        <PdfState pdf={pdf} />
      </div>
      {document.isPending ? <Waiting what={t('safety.print_preparing')} /> : document.error ? <Note tone="bad"><p>{why(document.error)}</p></Note> : <section className="card paper"><Sheet document={document.data} /></section>}
    </>
  );
}

function Sheet({ document }: { document: ClinicalDocument }) {
  const { t } = useTranslation();
  const who = document.patient;
  const { alerts, problems, allergies, medicines } = document.front;
  const about = who ? [who.birth_date ? t('clinical.born', { date: clinicalDate(who.birth_date) }) : '', who.sex ?? '', ...who.identifiers.map((one) => `${one.label} ${one.text}`)].filter(Boolean) : [];
  return (
    <>
      {who?.name ? <p className="banner" style={{ margin: 0 }}><b><bdi>{who.name}</bdi></b><span className="muted">{about.join(' · ')}</span></p> : null}
      <Front title={t('clinical.alerts')} block={alerts} />
      <Front title={t('clinical.problems')} block={problems} />
      <Front title={t('clinical.allergies')} block={allergies} />
      <Front title={t('clinical.medicines')} block={medicines} />
      {document.sections.map((section) => <Part key={section.key} section={section} />)}
      <p className="small muted" style={{ marginTop: 28 }}>{t('safety.print_made', { when: moment(new Date().toISOString()), records: count(document.counts.records) })} {document.notes.join(' ')}</p>
    </>
  );
}

function Front({ title, block }: { title: string; block: FrontBlock }) {
  if (block.lines.length === 0 && !block.empty) return null;
  return (
    <>
      <h2>{title}</h2>
      {block.lines.length === 0 ? <p className="muted">{block.empty}</p> : <ul className="plain-list">{block.lines.map((line, at) => <li key={at} className={line.urgent ? 'urgent' : undefined}>{line.title}{line.detail || line.date ? <span className="muted"> · {[line.detail, clinicalDate(line.date)].filter(Boolean).join(' · ')}</span> : null}</li>)}</ul>}
    </>
  );
}

function Part({ section }: { section: Section }) {
  const { t, i18n } = useTranslation();
  const key = `clinical.section.${section.key}`;
  return (
    <>
      <h2>{i18n.exists(key) ? t(key as 'clinical.section.labs') : section.title}</h2>
      {section.series.map((group, at) => (
        <div key={`g${at}`}>
          {group.title ? <h3>{group.title}</h3> : null}
          <table className="plain fold">
            <thead><tr><th scope="col">{t('clinical.test')}</th><th scope="col">{t('clinical.value')}</th></tr></thead>
            <tbody>{group.series.map((one, n) => <Results key={n} series={one} />)}</tbody>
          </table>
        </div>
      ))}
      {section.tables.map((table, at) => (
        <div key={`t${at}`}>
          {table.title ? <h3>{table.title}</h3> : null}
          <table className="plain fold">
            <thead><tr>{table.columns.map((column, n) => <th key={n} scope="col">{column.title}</th>)}</tr></thead>
            <tbody>
              {table.rows.map((row, n) => (
                <tr key={n}>
                  <td><b className={row.urgent ? 'urgent' : undefined}>{row.title}</b>{row.sub.map((line, at) => <div key={at} className="small muted">{line}</div>)}</td>
                  {row.cells.map((cell, c) => <td key={c} data-label={table.columns[c + 1]?.title} className="num">{/^\d{4}-\d{2}(-\d{2})?$/.test(cell) ? clinicalDate(cell) : cell}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
      {section.texts.map((text, at) => <div key={`x${at}`}><h3>{[text.title, clinicalDate(text.date)].filter(Boolean).join(' · ')}</h3>{text.lines.map((line, n) => <p key={n} style={{ margin: '0 0 4px', whiteSpace: 'pre-wrap' }}>{line}</p>)}</div>)}
    </>
  );
}

function Results({ series }: { series: Series }) {
  const { t } = useTranslation();
  const newest = [...series.points].sort((one, other) => ((one.date ?? '') < (other.date ?? '') ? 1 : -1));
  const rest = newest.length - NEWEST;
  return (
    <tr>
      <td><b>{series.title}</b><div className="small muted">{series.range ? t('clinical.range', { range: `${series.range} ${series.unit}` }) : series.unit}</div></td>
      <td className="num">
        {newest.slice(0, NEWEST).map((point, at) => <span key={at}>{at ? ', ' : ''}<b>{point.value}</b>{point.flag ? ` (${t(`clinical.${point.flag}`)})` : ''} <span className="muted">{clinicalDate(point.date)}</span></span>)}
        {rest > 0 ? <span className="muted"> · {t('safety.print_earlier', { count: rest })}</span> : null}
      </td>
    </tr>
  );
}
