/** One's record as one's own: taking it along, letting programs in, giving it up. */
import { Anchor, Button, Progress, Switch } from '@mantine/core';
import { IconCopy, IconFileExport, IconPrinter } from '@tabler/icons-react';
import { useClipboard } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { count, size } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { onVault, vault } from '../../lib/vault.ts';
import { save } from '../../ui/content.tsx';
import { Note } from '../../ui/pieces.tsx';
import type { Export } from '../../vault-worker/api.ts';
import { DeleteAccount } from './delete.tsx';
import { Card, SettingsFrame } from './frame.tsx';

export function OwnData() {
  const { patient } = useMe();
  return <SettingsFrame><TakeAlong patient={patient} /><OnPaper /><OwnNumber patient={patient} /><Assisted /><DeleteAccount /></SettingsFrame>;
}

function TakeAlong({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [job, setJob] = useState('');
  const [at, setAt] = useState<{ done: number; total: number }>({ done: 0, total: 0 });
  const name = `chartkey-${new Date().toISOString().slice(0, 10)}.fhir.json`;
  useEffect(() => onVault((event) => {
    if (event.event === 'progress' && event.job === job) setAt(event);
  }), [job]);
  const take = useMutation({
    mutationFn: (own: string) => vault.exportRecord(patient, own),
    onSuccess: (made) => save(name, made.bundle, 'application/fhir+json'),
  });
  const begin = () => {
    const own = `export-${performance.now()}`;
    setJob(own);
    setAt({ done: 0, total: 0 });
    take.mutate(own);
  };
  const share = at.total ? (at.done / at.total) * 100 : 0;
  return (
    <Card title={t('safety.export')} more={t('safety.export_more')}>
      <Note tone="warn"><p>{t('safety.export_warning')}</p></Note>
      {take.isPending ? (
        <div role="status">
          <p className="small muted num" style={{ margin: '0 0 6px' }}>{share >= 100 ? t('safety.export_assembling') : t('safety.export_working', { done: count(at.done), total: count(at.total) })}</p>
          <Progress value={Math.max(4, share)} animated size="sm" aria-label={t('safety.export')} />
        </div>
      ) : <div><Button leftSection={<IconFileExport size={18} />} onClick={begin}>{t('safety.export_do')}</Button></div>}
      {take.error ? <Note tone="bad"><p>{why(take.error)}</p></Note> : null}
      {take.data ? (
        <Note tone="good">
          <p>{t('safety.export_done', { name, size: size(take.data.bundle.size) })} <button type="button" className="link-button" onClick={() => save(name, take.data.bundle, 'application/fhir+json')}>{t('safety.export_save_again')}</button></p>
        </Note>
      ) : null}
      {take.data && take.data.left_out.length > 0 ? <LeftOut patient={patient} files={take.data.left_out} /> : null}
    </Card>
  );
}

function LeftOut({ patient, files }: { patient: string; files: Export['left_out'] }) {
  const { t } = useTranslation();
  const why = useWhy();
  const one = useMutation({
    mutationFn: async (file: Export['left_out'][number]) => {
      const { bytes } = await vault.readRecord(patient, file.id);
      if (bytes) save(file.name, bytes);
    },
  });
  return (
    <div>
      <p style={{ margin: '4px 0' }}>{t('safety.export_left', { count: files.length })}</p>
      <ul className="list boxed">
        {files.map((file) => (
          <li key={file.id} className="line"><span><bdi>{file.name}</bdi> <span className="muted small num">{size(file.size)}</span></span><Button size="compact-md" variant="default" aria-label={`${t('safety.export_save_file')}: ${file.name}`} loading={one.isPending && one.variables === file} onClick={() => one.mutate(file)}>{t('safety.export_save_file')}</Button></li>
        ))}
      </ul>
      {one.error ? <p className="small urgent" role="alert">{why(one.error)}</p> : null}
    </div>
  );
}

function OnPaper() {
  const { t } = useTranslation();
  return (
    <Card title={t('safety.export_print')} more={t('safety.export_print_more')}>
      <div><Button component={Link} to="/settings/print" variant="default" leftSection={<IconPrinter size={18} />}>{t('safety.export_print')}</Button></div>
    </Card>
  );
}

function OwnNumber({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const clipboard = useClipboard();
  return (
    <Card title={t('safety.number')} more={t('safety.number_more')}>
      <div className="row"><span className="key" data-testid="patient-number">{patient}</span><Button size="compact-md" variant="default" leftSection={<IconCopy size={17} />} onClick={() => clipboard.copy(patient)}>{t(clipboard.copied ? 'common.copied' : 'common.copy')}</Button></div>
      <Anchor component={Link} to="/sharing/requests" className="small">{t('requests.title')}</Anchor>
    </Card>
  );
}

function Assisted() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const profile = useQuery({ queryKey: ['profile'], queryFn: () => ok(api.GET('/api/patients/profile')) });
  // Of the record that is shown: each has its own answer.
  const { patient } = useMe();
  const is = profile.data?.patients.find((one) => one.id === patient)?.assisted_access;
  const set = useMutation({ mutationFn: (on: boolean) => ok(api.PUT('/api/patients/profile', { body: { assisted_access: on, patient_id: patient } })), onSuccess: () => queries.invalidateQueries({ queryKey: ['profile'] }) });
  const failure = set.error ?? profile.error;
  return (
    <Card title={t('settings.assisted')} more={t('settings.assisted_more')}>
      <Switch label={t('settings.assisted_on')} checked={(set.isPending ? set.variables : is) ?? false} disabled={!profile.data || set.isPending} onChange={(event) => set.mutate(event.currentTarget.checked)} />
      {failure ? <Note tone="bad"><p>{why(failure)}</p></Note> : null}
    </Card>
  );
}
