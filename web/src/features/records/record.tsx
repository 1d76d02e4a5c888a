/** One record of one's own. */
import { Button } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMe } from '../../lib/hooks.ts';
import { RecordView } from '../../ui/record-view.tsx';

export function RecordDetail() {
  const { t } = useTranslation();
  const { patient } = useMe();
  const { id = '' } = useParams({ strict: false });
  const back = <Button component={Link} to="/record" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('records.title')}</Button>;
  return <RecordView patient={patient} id={id} title={t('records.title')} author={t('activity.you')} back={back} />;
}
