/** One entry of the trail; its details and its proof on demand. */
import { Button } from '@mantine/core';
import { IconShieldCheck } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { type Entry, useActionName, useGrantNames, usePurposeName } from './activity.ts';
import { Checked } from './verify.tsx';

export function EntryLine({ entry, who }: { entry: Entry; who: string }) {
  const { t } = useTranslation();
  const action = useActionName();
  const [open, setOpen] = useState(false);
  const types = (entry.types ?? []).map((type) => t(`types.${type}`)).join(', ');
  return (
    <li>
      <details className="entry" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="line">
          <span>
            <span className="t">{action(entry.action)}</span>{entry.count ? <span className="muted"> · {t('activity.count', { count: entry.count })}</span> : null}
            <br /><span className="s"><bdi>{who}</bdi>{types ? ` · ${types}` : ''}</span>
          </span>
          <span className="e s num"><span>{moment(entry.at)}</span><br /><span>{entry.from ?? ''}</span></span>
        </summary>
        {open ? <Details entry={entry} name={`${action(entry.action)}, ${moment(entry.at)}`} /> : null}
      </details>
    </li>
  );
}

function Details({ entry, name }: { entry: Entry; name: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const purpose = usePurposeName();
  const grants = useGrantNames();
  const { account } = useMe();
  const verify = useMutation({ mutationFn: () => vault.verifyEntry({ id: entry.id, action: entry.action, at: entry.at, actor: { kind: entry.actor.kind, id: entry.actor.id ?? null } }) });
  const grant = entry.grant ? grants.get(entry.grant) : undefined;
  const { id, actor, ...logged } = entry;
  const rows: [string, string | null | undefined][] = [
    [t('activity.entry_number'), String(id)],
    [t('activity.at_exactly'), entry.at],
    [t('activity.under'), grant ? (grant.link ? t('activity.link_of', { name: grant.name }) : grant.name) : entry.grant],
    [t('activity.purpose'), purpose(entry.purpose)],
    [t('activity.address'), entry.from],
    [t('activity.session'), entry.session],
  ];
  return (
    <div className="entry-more stack-s">
      <dl className="facts small">{rows.filter(([, value]) => value).map(([label, value]) => <div key={label}><dt>{label}</dt><dd className="num">{value}</dd></div>)}</dl>
      {entry.assisted ? <p className="small" style={{ margin: 0 }}>{t('activity.assisted')}</p> : null}
      <div className="row no-print">
        <Button size="compact-md" variant="default" leftSection={<IconShieldCheck size={17} />} loading={verify.isPending} onClick={() => verify.mutate()} aria-label={`${t('activity.verify_one')}: ${name}`}>{t('activity.verify_one')}</Button>
        {entry.record && account.kind === 'patient' && entry.action !== 'record.delete' ? <Link to="/record/item/$id" params={{ id: entry.record }} className="small">{t('activity.open_record')}</Link> : null}
      </div>
      {verify.error ? <Note tone="bad"><p>{why(verify.error)}</p></Note> : null}
      {verify.data ? <Checked check={verify.data} /> : null}
      <details className="small"><summary>{t('activity.as_logged')}</summary><pre className="source" style={{ marginTop: 8 }}>{JSON.stringify({ ...logged, actor: { kind: actor.kind, id: actor.id } }, null, 2)}</pre></details>
    </div>
  );
}
