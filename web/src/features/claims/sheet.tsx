/** A sheet to print and hand over: whoever has it takes the chart over. It is shown once and kept nowhere. */
import { Button } from '@mantine/core';
import { IconArrowLeft, IconPrinter, IconRefresh } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { renderSVG } from 'uqr';
import { day } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { findChart } from '../../lib/practice.ts';
import { vault } from '../../lib/vault.ts';
import { Head, Note, Waiting } from '../../ui/pieces.tsx';

export function Sheet() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const { id = '' } = useParams({ strict: false });
  const chart = useQuery({ queryKey: ['charts', id], queryFn: () => findChart(id), retry: false });
  const make = useMutation({ mutationFn: () => vault.claimSheet(id) });
  const back = <Button component={Link} to={`/caseload/${id}` as '/caseload'} variant="default" leftSection={<IconArrowLeft size={18} />}>{t('claims.to_chart')}</Button>;
  const head = (
    <div className="no-print"><Head title={t('claims.sheet')} actions={<>{back}{make.data ? <Button leftSection={<IconPrinter size={18} />} onClick={() => window.print()}>{t('claims.sheet_print')}</Button> : null}</>}>{t('claims.sheet_more')}</Head></div>
  );
  if (chart.isPending) return <>{head}<Waiting /></>;
  if (chart.error) return <>{head}<Note tone="bad"><p>{why(chart.error)}</p></Note></>;
  if (chart.data.claimed) return <>{head}<Note><p>{t('claims.sheet_claimed')}</p></Note></>;
  return (
    <>
      {head}
      <div className="stack narrow">
        <div className="no-print stack">
          <Note tone="warn"><p>{t('claims.sheet_warning')}</p></Note>
          {make.error ? <Note tone="bad"><p>{why(make.error)}</p></Note> : null}
          <div><Button variant={make.data ? 'default' : 'filled'} leftSection={make.data ? <IconRefresh size={18} /> : undefined} loading={make.isPending} onClick={() => make.mutate()}>{t(make.data ? 'claims.sheet_again' : 'claims.sheet_make')}</Button></div>
        </div>
        {make.data ? <Printed url={make.data.url} name={chart.data.name} practitioner={[account.name, account.organization].filter(Boolean).join(', ')} until={chart.data.expires_at ?? null} /> : null}
      </div>
    </>
  );
}

function Printed({ url, name, practitioner, until }: { url: string; name: string; practitioner: string; until: string | null }) {
  const { t } = useTranslation();
  const code = `data:image/svg+xml,${encodeURIComponent(renderSVG(url, { ecc: 'M', border: 2 }))}`;
  return (
    <article className="kit printed sheet" aria-label={t('claims.sheet')}>
      <h3>Chartkey · {t('claims.sheet')}</h3>
      <div className="small"><bdi>{t('claims.sheet_for', { name })}</bdi> · <bdi>{t('claims.sheet_from', { name: practitioner })}</bdi> · {day(new Date().toISOString())}</div>
      <div className="sheet-parts">
        <img src={code} alt={t('claims.sheet_qr')} width={220} height={220} />
        <ol>
          <li>{t('claims.sheet_step_scan', { host: location.host })}</li>
          <li>{t('claims.sheet_step_account')}</li>
          <li>{t('claims.sheet_step_take')}</li>
        </ol>
      </div>
      <div className="code" data-testid="claim-url">{url}</div>
      <div className="small">{t('claims.sheet_keep')} {until ? t('claims.sheet_until', { when: day(until) }) : ''}</div>
    </article>
  );
}
