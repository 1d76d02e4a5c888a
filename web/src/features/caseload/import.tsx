/** Opening many charts from a list of contacts: choose a file, look at what was understood, then open them one by one. */
import { Button, NativeSelect, Progress } from '@mantine/core';
import { IconArrowLeft, IconCheck, IconDownload, IconRefresh } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { clinicalDate, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { renewPractice, useCharts } from '../../lib/practice.ts';
import { save } from '../../ui/content.tsx';
import { Drop } from '../../ui/drop.tsx';
import { Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { type Columns, type Contact, contacts, type DateOrder, decode, FIELDS, guess, type List, MAX_BYTES, MAX_ROWS, orderOf, read, write } from './contacts.ts';
import { openings, useOpenings } from './opening.ts';

/** Rows that are drawn of a long list. */
const SHOWN = 200;

interface Chosen { file: string; list: List; columns: Columns; order: DateOrder | null; certain: boolean }

export function ImportCaseload() {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const under = useOpenings();
  const take = async (files: Iterable<File>) => {
    const [file] = [...files];
    if (!file) return;
    setProblem(null);
    if (file.size > MAX_BYTES) return setProblem(t('imports.too_large'));
    const list = await file.arrayBuffer().then((bytes) => read(decode(bytes)), () => null);
    if (!list) return setProblem(t('imports.unreadable', { name: file.name }));
    const columns = guess(list.header);
    const order = orderOf(list, columns);
    setChosen({ file: file.name, list, columns, order, certain: order !== null });
  };
  return (
    <>
      <Head title={t('imports.title')} actions={<Button component={Link} to="/caseload" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('practice.tab_caseload')}</Button>}>{t('imports.more')}</Head>
      <div className="stack">
        {under.length > 0 ? <Running /> : chosen ? <Preview chosen={chosen} onChange={setChosen} onStart={() => setChosen(null)} /> : (
          <>
            <Drop single accept=".csv,.tsv,.txt,text/csv" text={t('imports.drop')} choose={t('imports.choose')} more={t('imports.drop_more')} onFiles={(files) => void take(files)} />
            {problem ? <Note tone="bad"><p>{problem}</p></Note> : null}
            <section className="card">
              <h2>{t('imports.columns')}</h2>
              <p className="muted" style={{ margin: '0 0 10px' }}>{t('imports.columns_more')}</p>
              <p style={{ margin: 0 }} className="row"><span className="key">First Name, Last Name, Email, Phone, DOB</span><Button size="compact-md" variant="subtle" leftSection={<IconDownload size={17} />} onClick={() => save('contacts.csv', 'First Name,Last Name,Email,Phone,DOB,Client ID,Dietary preferences,Medical history\r\n')}>{t('imports.example')}</Button></p>
            </section>
          </>
        )}
      </div>
    </>
  );
}

function Preview({ chosen, onChange, onStart }: { chosen: Chosen; onChange: (chosen: Chosen | null) => void; onStart: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const charts = useCharts();
  const { list, columns, order } = chosen;
  const rows = useMemo(() => contacts(list, columns, order, charts.data ?? [], Date.now()), [list, columns, order, charts.data]);
  const ready = rows.filter((one) => one.problems.length === 0 && !one.known);
  const known = rows.filter((one) => one.known && one.problems.length === 0);
  const wrong = rows.filter((one) => one.problems.length > 0);
  const unordered = rows.some((one) => one.problems.includes('birth_order'));
  // Those that need a look come first; a long list is cut.
  const told = [...wrong, ...ready, ...known].slice(0, SHOWN);
  const start = () => {
    openings.add(ready.map(({ row, chart }) => ({ row, chart })));
    onStart();
  };
  if (charts.isPending) return <Waiting />;
  // Without knowing who is there already somebody could get a second chart.
  if (charts.error) return <Note tone="bad"><p>{why(charts.error)}</p></Note>;
  return (
    <>
      <section className="card">
        <h2><bdi>{chosen.file}</bdi></h2>
        <p className="muted num" style={{ margin: 0 }}>{t('imports.rows', { count: rows.length, shown: count(rows.length) })}</p>
        {list.torn ? <div style={{ marginTop: 12 }}><Note tone="warn"><p>{t('imports.torn')}</p></Note></div> : null}
        {list.rows.length > MAX_ROWS ? <div style={{ marginTop: 12 }}><Note tone="warn"><p>{t('imports.cut', { most: count(MAX_ROWS) })}</p></Note></div> : null}
        <div className="mapping">
          {list.header.map((heading, at) => (
            <NativeSelect
              key={at} size="sm" label={<bdi>{heading || t('imports.column', { number: at + 1 })}</bdi>} description={<bdi>{(list.rows.find((row) => row[at])?.[at] ?? '—').slice(0, 40)}</bdi>} value={columns[at] ?? ''}
              onChange={(event) => {
                const next = columns.map((one, place) => (place === at ? ((event.currentTarget.value || null) as Columns[number]) : one));
                const found = orderOf(list, next);
                onChange({ ...chosen, columns: next, order: found ?? order, certain: found !== null });
              }}
              data={[{ value: '', label: t('imports.left_out') }, ...FIELDS.map((one) => ({ value: one, label: t(`imports.field_${one}`) }))]}
            />
          ))}
        </div>
        {columns.includes('birth') && !chosen.certain && (unordered || order) ? (
          <NativeSelect
            mt="md" style={{ maxWidth: 420 }} label={t('imports.order')} description={t('imports.order_more')} value={order ?? ''} error={unordered ? t('imports.order_needed') : null}
            onChange={(event) => onChange({ ...chosen, order: (event.currentTarget.value || null) as DateOrder | null })}
            data={[{ value: '', label: t('requests.whom_known_none') }, { value: 'day', label: t('imports.order_day') }, { value: 'month', label: t('imports.order_month') }]}
          />
        ) : null}
      </section>
      <section className="card flush" aria-label={t('imports.understood')}>
        <header className="between">
          <div>
            <h2>{t('imports.understood')}</h2>
            <p className="small muted num" style={{ margin: 0 }} aria-live="polite">{[t('imports.ready', { count: ready.length, shown: count(ready.length) }), t('imports.known', { count: known.length, shown: count(known.length) }), t('imports.wrong', { count: wrong.length, shown: count(wrong.length) })].join(' · ')}</p>
          </div>
          <div className="row">
            <Button variant="default" onClick={() => onChange(null)}>{t('imports.other')}</Button>
            <Button disabled={ready.length === 0} onClick={start}>{t('imports.start', { count: ready.length, shown: count(ready.length) })}</Button>
          </div>
        </header>
        <Rows rows={told} />
        {rows.length > told.length ? <p className="rest muted small">{t('uploads.and_more', { count: rows.length - told.length, shown: count(rows.length - told.length) })}</p> : null}
      </section>
    </>
  );
}

function Rows({ rows }: { rows: Contact[] }) {
  const { t } = useTranslation();
  return (
    <table className="plain fold">
      <thead><tr><th className="num">{t('imports.row')}</th><th>{t('imports.field_name')}</th><th>{t('imports.field_email')}</th><th>{t('imports.field_birth')}</th><th>{t('imports.rest')}</th><th>{t('imports.what')}</th></tr></thead>
      <tbody>
        {rows.map(({ row, chart, problems, known }) => (
          <tr key={row} data-row={row}>
            <td className="num muted" data-label={t('imports.row')}>{count(row)}</td>
            <td><bdi>{chart.name}</bdi></td>
            <td><bdi>{chart.email}</bdi></td>
            <td className="num">{clinicalDate(chart.date_of_birth)}</td>
            <td className="small muted"><bdi>{[chart.contact_details?.replaceAll('\n', ', '), chart.carepatron_patient_id, chart.dietary_preferences, chart.medical_history].filter(Boolean).join(' · ').slice(0, 120)}</bdi></td>
            <td>{problems.length > 0 ? problems.map((one) => <p key={one} className="small urgent" style={{ margin: 0 }}>{t(`imports.problem_${one}`)}</p>) : known ? <Tag>{t('imports.is_known')}</Tag> : <Tag tone="good">{t('imports.is_ready')}</Tag>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Running() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const all = useOpenings();
  const done = all.filter((one) => one.stage === 'done');
  const failed = all.filter((one) => one.stage === 'failed');
  const over = done.length + failed.length === all.length;
  const stopped = openings.stopped();
  useEffect(() => {
    if (over || stopped) void renewPractice(queries);
  }, [over, stopped, queries]);
  const rest = all.filter((one) => one.stage !== 'done');
  // What happens now, then what went wrong, stands at the top.
  const order = { opening: 0, failed: 1, waiting: 2, done: 3 } as const;
  const told = [...all].sort((one, other) => order[one.stage] - order[other.stage] || one.row - other.row).slice(0, SHOWN);
  return (
    <section className="card flush" aria-label={t('imports.opening')}>
      <header className="stack-s">
        <div className="between">
          <div>
            <h2>{t(over ? (failed.length ? 'imports.over_failed' : 'imports.over') : stopped ? 'imports.stopped' : 'imports.opening')}</h2>
            <p className="small muted num" style={{ margin: 0 }} role="status">{t('imports.progress', { done: count(done.length), all: count(all.length) })}{failed.length ? ` · ${t('imports.failed', { count: failed.length, shown: count(failed.length) })}` : ''}</p>
          </div>
          <div className="row">
            {(over || stopped) && rest.length > 0 ? (
              <>
                <Button variant="default" leftSection={<IconDownload size={18} />} onClick={() => save('contacts-left.csv', write(rest.map(({ row, chart }) => ({ row, chart, problems: [], known: false }))))}>{t('imports.keep_rest')}</Button>
                <Button variant="default" onClick={() => openings.clear()}>{t('imports.let_go')}</Button>
                <Button leftSection={<IconRefresh size={18} />} onClick={() => openings.retry()}>{t('imports.retry')}</Button>
              </>
            ) : null}
            {over && failed.length === 0 ? <Button component={Link} to="/caseload" onClick={() => openings.clear()}>{t('imports.to_caseload')}</Button> : null}
          </div>
        </div>
        <Progress value={all.length ? (done.length / all.length) * 100 : 0} animated={!over && !stopped} size="sm" aria-label={t('imports.opening')} />
        {over || stopped ? null : <p className="small muted" style={{ margin: 0 }}>{t('uploads.keep_open')}</p>}
      </header>
      <ul className="list">
        {told.map((one) => (
          <li key={one.id} className="line" data-row={one.row}>
            <span>
              <span className="t"><bdi>{one.chart.name}</bdi></span> <span className="s"><bdi>{one.chart.email}</bdi></span>
              {one.stage === 'failed' ? <><br /><span className="small urgent">{one.patient ? t('caseload.unfinished') : why(one.failure)}</span></> : null}
            </span>
            <span className="e">{one.stage === 'done' && one.patient ? <Tag tone="good"><IconCheck size={14} aria-hidden /> {t('imports.stage_done')}</Tag> : <Tag tone={one.stage === 'failed' ? 'bad' : 'plain'}>{t(`imports.stage_${one.stage}`)}</Tag>}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
