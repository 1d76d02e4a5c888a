/** What else can be done with a chart: change it, invite once more, delete it. */
import { ActionIcon, Menu } from '@mantine/core';
import { IconDots, IconEdit, IconMailForward, IconMailQuestion, IconQrcode, IconTrash } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { type Chart, deleteChart, invite, renewPractice } from '../../lib/practice.ts';
import { Confirm } from '../../ui/confirm.tsx';
import { Told } from '../../ui/told.tsx';
import { ChartForm } from './chart-form.tsx';

export function ChartMenu({ chart, onDeleted }: { chart: Chart; onDeleted?: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [doing, setDoing] = useState<'edit' | 'delete' | null>(null);
  const again = useMutation({ mutationFn: () => invite(chart.id), onSuccess: () => queries.invalidateQueries({ queryKey: ['charts'] }) });
  // Whom they came to by themselves is changed where they keep it.
  if (!chart.user_id) return <span />;
  return (
    <>
      <Menu position="bottom-end" shadow="md" withinPortal>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" className="above" aria-label={t('caseload.menu', { name: chart.name })} loading={again.isPending}><IconDots size={20} /></ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconMailQuestion size={17} />} renderRoot={(props) => <Link to="/caseload/requests" search={{ patient: chart.id }} {...props} />}>{t('caseload.ask')}</Menu.Item>
          <Menu.Item leftSection={<IconEdit size={17} />} onClick={() => setDoing('edit')}>{t('caseload.edit')}</Menu.Item>
          {chart.claimed ? null : (
            <>
              <Menu.Item leftSection={<IconMailForward size={17} />} onClick={() => again.mutate()}>{t('caseload.invite')}</Menu.Item>
              <Menu.Item leftSection={<IconQrcode size={17} />} component={Link} to={`/caseload/${chart.id}/sheet`}>{t('caseload.sheet')}</Menu.Item>
              <Menu.Divider />
              <Menu.Item className="urgent" leftSection={<IconTrash size={17} />} onClick={() => setDoing('delete')}>{t('caseload.delete')}</Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {again.isSuccess ? <Told key={again.submittedAt} text={t('caseload.invited', { email: chart.email ?? '' })} /> : null}
      {again.error ? <Told key={again.submittedAt} tone="bad" text={why(again.error)} /> : null}
      {doing === 'edit' ? <ChartForm chart={chart} onClose={() => setDoing(null)} /> : null}
      {doing === 'delete' ? (
        <Confirm
          title={t('caseload.delete_ask', { name: chart.name })} act={t('caseload.delete')} doing={() => deleteChart(chart.id)}
          onDone={() => { onDeleted?.(); void renewPractice(queries); }} onClose={() => setDoing(null)}
        >
          <p style={{ margin: 0 }}>{t('caseload.delete_more')}</p>
        </Confirm>
      ) : null}
    </>
  );
}
