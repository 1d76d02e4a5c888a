/** Adding to one's record: files by drag and drop, each with its progress and report, and notes. */
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMe } from '../../lib/hooks.ts';
import { uploads, useUploads } from '../../lib/uploads.ts';
import { Drop } from '../../ui/drop.tsx';
import { NoteForm } from '../../ui/note-form.tsx';
import { Head } from '../../ui/pieces.tsx';
import { UploadList } from '../../ui/upload-list.tsx';

export function AddRecords() {
  const { t } = useTranslation();
  const { patient } = useMe();
  const mine = useUploads().filter((one) => one.patient === patient);
  return (
    <>
      <Head title={t('records.add_title')} actions={mine.some((one) => one.report) ? <Button component={Link} to="/record">{t('records.to_record')}</Button> : undefined}>
        {t('records.add_more')}
      </Head>
      <div className="stack">
        <Drop onFiles={(files) => uploads.add(patient, files)} />
        {mine.length > 0 ? <UploadList uploads={mine} patient={patient} /> : null}
        <NoteForm patient={patient} />
      </div>
    </>
  );
}
