/** Everyone who may open one's record, now and before: revoke, extend, share again; and who asks. */
import { Button, Menu, Modal, TextInput } from '@mantine/core';
import { IconDots, IconLock, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countTypes } from '../../lib/find.ts';
import { away, clinicalDate, day, moment } from '../../lib/format.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { type Access, type AccessRequest, allShares, listRequests } from '../../lib/sharing.ts';
import { call } from '../../lib/api.ts';
import { vault } from '../../lib/vault.ts';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';
import { type Kind, type MadeLink, RECORD_TYPES, type RecordType } from '../../vault-worker/api.ts';
import { LinkBox, RecordSharing, type ShareData } from './record-sharing.tsx';

export function Shares() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const { account, patient } = useMe();
  const search = useSearch({ strict: false }) as { new?: boolean };
  const [open, setOpen] = useState(search.new === true);
  const shares = useQuery({ queryKey: ['shares', patient, 'all'], queryFn: () => allShares(patient), refetchInterval: 10_000 });
  const headers = useHeaders(patient);
  const own = useMemo(() => (headers.data ?? []).filter((one) => !one.supporting), [headers.data]);
  const types = useMemo(() => {
    const counts = countTypes(own);
    return RECORD_TYPES.filter((one) => counts.has(one)).map((id) => ({ id, label: t(`types.${id}`), count: counts.get(id) ?? 0 }));
  }, [own, t]);
  const sensitive = useMemo(() => {
    const found = new Map<string, { type: RecordType; kind: Kind; count: number }>();
    for (const one of own) {
      for (const kind of one.kinds) {
        const key = `${one.record_type} ${kind}`;
        found.set(key, { type: one.record_type, kind, count: (found.get(key)?.count ?? 0) + 1 });
      }
    }
    return [...found.values()];
  }, [own]);
  const preview = (type: RecordType, kinds: Kind[]) => {
    const seen = own.filter((one) => one.record_type === type && one.kinds.every((kind) => kinds.includes(kind)));
    const newest = [...seen].sort((one, other) => ((one.date ?? '') < (other.date ?? '') ? 1 : -1));
    return { count: seen.length, titles: [...new Set(newest.map((one) => one.title))].slice(0, 3) };
  };
  const refresh = () => queries.invalidateQueries({ queryKey: ['shares', patient] });
  const share = async (data: ShareData): Promise<MadeLink | null> => {
    const terms = {
      types: data.recordTypes, kinds: data.includeSensitive, records: null, valid_from: null,
      expires_at: new Date(Date.now() + data.expiresInDays * 86_400_000).toISOString(), purpose: 'TREAT', may_download: data.allowDownload, message: data.message,
    };
    let made: MadeLink | null = null;
    if (data.way === 'account' && data.provider) {
      await vault.createGrant(patient, { ...terms, provider: data.provider.id, provider_name: data.provider.name, write_types: [] });
    } else {
      made = await vault.createLink(patient, { ...terms, recipient_name: data.recipientName.trim(), recipient_email: data.recipientEmail, passcode: data.passcode, send: data.sendEmail && data.recipientEmail ? 'link' : 'none' });
    }
    await refresh();
    return made;
  };
  const living = shares.data?.filter((one) => one.status === 'ACTIVE' || one.status === 'PENDING') ?? [];
  const past = shares.data?.filter((one) => one.status === 'EXPIRED' || one.status === 'REVOKED') ?? [];
  const button = <Button leftSection={<IconPlus size={18} />} onClick={() => setOpen(true)} disabled={!account.email_verified || types.length === 0}>{t('shares.new')}</Button>;
  return (
    <>
      <Head title={t('shares.title')} actions={button}>{t('shares.more')}</Head>
      <div className="stack">
        <Unverified account={account} />
        <Requests patient={patient} onAnswered={refresh} />
        {shares.isPending ? <Waiting /> : shares.error ? <Note tone="bad"><p>{why(shares.error)}</p></Note> : (
          <>
            <section className="card flush">
              <header><h2>{t('shares.active')}</h2></header>
              {living.length === 0 ? <Empty icon={IconLock} title={t('shares.empty')}><p>{t('shares.empty_more')}</p></Empty>
                : <ul className="list">{living.map((one) => <ShareLine key={one.id} share={one} patient={patient} onChanged={refresh} />)}</ul>}
            </section>
            {past.length > 0 ? (
              <section className="card flush">
                <header><h2>{t('shares.past')}</h2></header>
                <ul className="list">{past.map((one) => <ShareLine key={one.id} share={one} patient={patient} onChanged={refresh} onAgain={() => setOpen(true)} />)}</ul>
              </section>
            ) : null}
          </>
        )}
      </div>
      <RecordSharing
        userProfile={{ id: account.id, name: account.name, email: account.email }} availableRecordTypes={types} sensitive={sensitive} preview={preview}
        onShare={share} opened={open} onClose={() => setOpen(false)}
      />
    </>
  );
}

function ShareLine({ share, patient, onChanged, onAgain }: { share: Access; patient: string; onChanged: () => Promise<void>; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [doing, setDoing] = useState<'revoke' | 'extend' | 'link' | null>(null);
  const living = share.status === 'ACTIVE' || share.status === 'PENDING';
  const word = ({ ACTIVE: 'active', PENDING: 'pending', EXPIRED: 'expired', REVOKED: 'revoked' } as const)[share.status];
  const opened = share.opened === 0 || !share.last_opened ? t('shares.never_opened') : t('shares.opened', { count: share.opened, when: away(share.last_opened) });
  return (
    <li className="line share" data-share={share.id}>
      <span>
        <span className="t"><bdi>{share.name}</bdi></span> <Tag>{t(share.kind === 'link' ? 'shares.link' : 'shares.account')}</Tag> <Tag tone={living ? 'good' : share.status === 'REVOKED' ? 'bad' : 'plain'}>{t(`shares.${word}`)}</Tag>
        <br />
        <span className="s">{share.types.map((type) => t(`types.${type}`)).join(', ')}</span>
        <br />
        <span className="s">
          {living ? t('shares.until', { when: moment(share.expires_at) }) : t('shares.ended', { when: moment(share.ended_at ?? share.expires_at) })} · {opened}
          {share.downloads > 0 ? ` · ${t('shares.downloads', { count: share.downloads })}` : ''}
        </span>
      </span>
      <span className="row">
        {living ? (
          <>
            <Button size="compact-md" variant="default" onClick={() => setDoing('revoke')}>{t('shares.revoke')}</Button>
            <Menu position="bottom-end">
              <Menu.Target><Button size="compact-md" variant="default" aria-label={`${t('common.more')}: ${share.name}`}><IconDots size={18} /></Button></Menu.Target>
              <Menu.Dropdown>
                {share.kind === 'link' ? <Menu.Item onClick={() => setDoing('link')}>{t('shares.show_link')}</Menu.Item> : null}
                <Menu.Item onClick={() => setDoing('extend')}>{t('shares.extend')}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </>
        ) : onAgain ? <Button size="compact-md" variant="default" onClick={onAgain}>{t('shares.again')}</Button> : null}
      </span>
      {doing === 'revoke' ? <Revoke share={share} patient={patient} onDone={async () => { setDoing(null); await onChanged(); }} onClose={() => setDoing(null)} /> : null}
      {doing === 'extend' ? <Extend share={share} patient={patient} onDone={async () => { setDoing(null); await onChanged(); }} onClose={() => setDoing(null)} /> : null}
      {doing === 'link' ? <ShowLink share={share} patient={patient} onClose={() => setDoing(null)} /> : null}
    </li>
  );
}

interface Doing { share: Access; patient: string; onDone: () => Promise<void>; onClose: () => void }

function Revoke({ share, patient, onDone, onClose }: Doing) {
  const { t } = useTranslation();
  const why = useWhy();
  const revoke = useMutation({ mutationFn: () => vault.endGrant(patient, share.id, share.kind), onSuccess: onDone });
  return (
    <Modal opened onClose={onClose} title={<span className="modal-title">{t('shares.revoke_ask')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <div className="stack">
        <p style={{ margin: 0 }}>{t('shares.revoke_more', { name: share.name })}</p>
        {revoke.error ? <Note tone="bad"><p>{why(revoke.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>{t('common.cancel')}</Button>
          <Button className="danger" loading={revoke.isPending} onClick={() => revoke.mutate()}>{t('shares.revoke')}</Button>
        </div>
      </div>
    </Modal>
  );
}

function Extend({ share, patient, onDone, onClose }: Doing) {
  const { t } = useTranslation();
  const why = useWhy();
  const [until, setUntil] = useState(share.expires_at.slice(0, 10));
  const extend = useMutation({ mutationFn: () => vault.changeTerms(patient, share.id, new Date(`${until}T23:59:59`).toISOString()), onSuccess: onDone });
  const today = new Date().toISOString().slice(0, 10);
  const last = new Date(Date.now() + 365 * 86_400_000).toISOString().slice(0, 10);
  return (
    <Modal opened onClose={onClose} title={<span className="modal-title">{t('shares.extend')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" onSubmit={(event) => { event.preventDefault(); extend.mutate(); }}>
        <TextInput type="date" label={t('shares.extend_more')} min={today} max={last} required withAsterisk={false} value={until} onChange={(event) => setUntil(event.currentTarget.value)} />
        {extend.error ? <Note tone="bad"><p>{why(extend.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={extend.isPending}>{t('common.save')}</Button></div>
      </form>
    </Modal>
  );
}

function ShowLink({ share, patient, onClose }: { share: Access; patient: string; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const link = useQuery({ queryKey: ['link', share.id], queryFn: () => vault.linkUrl(patient, share.id), gcTime: 0, retry: false });
  return (
    <Modal opened onClose={onClose} size="lg" title={<span className="modal-title">{t('shares.the_link')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {link.error ? <Note tone="bad"><p>{why(link.error)}</p></Note> : link.data ? <LinkBox url={link.data.url} email={share.email} /> : <Waiting />}
    </Modal>
  );
}

function Requests({ patient, onAnswered }: { patient: string; onAnswered: () => Promise<void> }) {
  const { t } = useTranslation();
  const requests = useQuery({ queryKey: ['requests', patient], queryFn: listRequests, refetchInterval: 20_000, retry: false });
  const waiting = (requests.data ?? []).filter((one) => one.status.toLowerCase() === 'pending' && one.patient_id === patient);
  if (waiting.length === 0) return null;
  return (
    <section className="card flush">
      <header><h2>{t('shares.requests')}</h2></header>
      <ul className="list">{waiting.map((one) => <RequestLine key={one.id} request={one} patient={patient} onAnswered={async () => { await requests.refetch(); await onAnswered(); }} />)}</ul>
    </section>
  );
}

function RequestLine({ request, patient, onAnswered }: { request: AccessRequest; patient: string; onAnswered: () => Promise<void> }) {
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
  return (
    <li className="line share">
      <span>
        <span className="t">{t('shares.request_wants', { name })}</span><br />
        <span className="s">{request.record_types.map((type) => t(`types.${type}`)).join(', ')} · {[request.provider_type, request.provider_organization].filter(Boolean).join(', ')}{request.expiry_date ? ` · ${t('shares.until', { when: day(request.expiry_date) })}` : ''} · {clinicalDate(request.created_at)}</span>
        {failure ? <p className="small" role="alert" style={{ color: 'var(--bad-ink)', margin: 0 }}>{why(failure)}</p> : null}
      </span>
      <span className="row"><Button size="compact-md" loading={allow.isPending} onClick={() => allow.mutate()}>{t('shares.approve')}</Button><Button size="compact-md" variant="default" loading={deny.isPending} onClick={() => deny.mutate()}>{t('shares.deny')}</Button></span>
    </li>
  );
}
