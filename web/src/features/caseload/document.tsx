/** One document of a patient, and adding one. */
import { Button } from '@mantine/core';
import { IconArrowLeft, IconShare3 } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useHeaders, useWhy } from '../../lib/hooks.ts';
import { uploads, useUploads } from '../../lib/uploads.ts';
import { Drop } from '../../ui/drop.tsx';
import { NoteForm } from '../../ui/note-form.tsx';
import { Head, Note, Waiting } from '../../ui/pieces.tsx';
import { RecordView } from '../../ui/record-view.tsx';
import { UploadList } from '../../ui/upload-list.tsx';
import { useChart } from './chart-frame.tsx';
import { PassOn } from './shared.tsx';

function useBack(id: string) {
  const { t } = useTranslation();
  const chart = useChart(id);
  const name = chart.data?.name ?? t('practice.tab_caseload');
  return { chart, name, back: <Button component={Link} to={`/caseload/${id}`} variant="default" leftSection={<IconArrowLeft size={18} />}><bdi className="cut">{name}</bdi></Button> };
}

export function ChartDocument() {
  const { t } = useTranslation();
  const { id = '', record = '' } = useParams({ strict: false });
  const { chart, name, back } = useBack(id);
  const headers = useHeaders(id);
  const header = headers.data?.find((one) => one.id === record);
  const [sharing, setSharing] = useState(false);
  return (
    <>
      <RecordView
        patient={id} id={record} title={name} author={t('activity.you')}
        back={<>{back}{chart.data && header ? <Button leftSection={<IconShare3 size={18} />} onClick={() => setSharing(true)}>{t('passing.share')}</Button> : null}</>}
      />
      {sharing && chart.data && header ? <PassOn chart={chart.data} header={header} onClose={() => setSharing(false)} /> : null}
    </>
  );
}

export function AddDocument() {
  const { t } = useTranslation();
  const why = useWhy();
  const { id = '' } = useParams({ strict: false });
  const { chart, name, back } = useBack(id);
  const mine = useUploads().filter((one) => one.patient === id);
  if (chart.isPending) return <Waiting />;
  return (
    <>
      <Head title={t('caseload.add')} actions={back}>{t('caseload.add_more', { name })}</Head>
      <div className="stack">
        {chart.error ? <Note tone="bad"><p>{why(chart.error)}</p></Note> : null}
        <Drop onFiles={(files) => uploads.add(id, files)} />
        {mine.length > 0 ? <UploadList uploads={mine} patient={id} /> : null}
        <NoteForm patient={id} />
      </div>
    </>
  );
}
