/** Providers who ask for access: allowed as asked, allowed in part, or refused. */
import { Button } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { clinicalDate, day } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { type AccessRequest, listRequests } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';

interface Props { patient: string; onAnswered: () => Promise<void>; onNarrow: (request: AccessRequest) => void }

export function Requests({ patient, onAnswered, onNarrow }: Props) {
  const { t } = useTranslation();
  const requests = useQuery({ queryKey: ['requests', patient], queryFn: listRequests, refetchInterval: usePoll(20_000), retry: false });
  const waiting = (requests.data ?? []).filter((one) => one.status.toLowerCase() === 'pending' && one.patient_id === patient);
  if (waiting.length === 0) return null;
  return (
    <section className="card flush">
      <header><h2>{t('shares.requests')}</h2></header>
      <ul className="list">
        {waiting.map((one) => <RequestLine key={one.id} request={one} patient={patient} onNarrow={() => onNarrow(one)} onAnswered={async () => { await requests.refetch(); await onAnswered(); }} />)}
      </ul>
    </section>
  );
}

function RequestLine({ request, patient, onAnswered, onNarrow }: { request: AccessRequest; patient: string; onAnswered: () => Promise<void>; onNarrow: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const name = request.provider_name;
  const allow = useMutation({
    mutationFn: async () => {
      const until = request.expiry_date ?? new Date(Date.now() + 30 * 86_400_000).toISOString();
      await vault.approveRequest(patient, request.id, {
        types: request.record_types, kinds: request.include_sensitive, records: null, valid_from: null, expires_at: until, purpose: 'TREAT', may_download: false, message: null,
        provider: request.provider_id, provider_name: name, write_types: request.write_types,
      });
    },
    onSuccess: onAnswered,
  });
  const deny = useMutation({ mutationFn: () => call('PUT', `/api/sharing/requests/${request.id}`, { decision: 'deny' }), onSuccess: onAnswered });
  const failure = allow.error ?? deny.error;
  const about = [
    request.record_types.map((type) => t(`types.${type}`)).join(', '),
    [request.provider_type, request.provider_organization].filter(Boolean).join(', '),
    request.expiry_date ? t('shares.until', { when: day(request.expiry_date) }) : '',
    clinicalDate(request.created_at),
  ].filter(Boolean).join(' · ');
  return (
    <li className="line share">
      <span>
        <span className="t">{t('shares.request_wants', { name })}</span><br />
        <span className="s">{about}</span>
        {request.write_types.length > 0 ? <><br /><span className="s">{t('shares.request_write', { types: request.write_types.map((type) => t(`types.${type}`)).join(', ') })}</span></> : null}
        {request.include_sensitive.length > 0 ? <><br /><span className="s" style={{ color: 'var(--warn-ink)' }}>{t('shares.request_sensitive', { kinds: request.include_sensitive.map((kind) => t(`kinds.${kind}`)).join(', ') })}</span></> : null}
        {failure ? <p className="small" role="alert" style={{ color: 'var(--bad-ink)', margin: 0 }}>{why(failure)}</p> : null}
      </span>
      <span className="row">
        <Button size="compact-md" loading={allow.isPending} onClick={() => allow.mutate()}>{t('shares.approve')}</Button>
        <Button size="compact-md" variant="default" onClick={onNarrow}>{t('shares.narrow_do')}</Button>
        <Button size="compact-md" variant="default" loading={deny.isPending} onClick={() => deny.mutate()}>{t('shares.deny')}</Button>
      </span>
    </li>
  );
}
