/** One who may open the record, or might before: how it stands, who came, and what can be done about it. */
import { Button, Menu, Modal, PasswordInput, TextInput } from '@mantine/core';
import { IconChevronDown, IconDots } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { away, count, moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Access, listVisits } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { LinkBox } from './made.tsx';
import { Narrow } from './narrow.tsx';

const WORDS = { ACTIVE: 'active', PENDING: 'pending', EXPIRED: 'expired', REVOKED: 'revoked' } as const;
const TONES = { ACTIVE: 'good', PENDING: 'plain', EXPIRED: 'plain', REVOKED: 'bad' } as const;

interface Props { share: Access; patient: string; onChanged: () => Promise<void>; onAgain: (() => Promise<void>) | null }

export function ShareLine({ share, patient, onChanged, onAgain }: Props) {
  const { t } = useTranslation();
  const [doing, setDoing] = useState<'revoke' | 'extend' | 'link' | 'narrow' | null>(null);
  const [details, setDetails] = useState(false);
  const [preparing, setPreparing] = useState(false);
  const id = useId();
  const living = share.status === 'ACTIVE' || share.status === 'PENDING';
  const opened = share.opened === 0 || !share.last_opened ? t('shares.never_opened') : t('shares.opened', { count: share.opened, when: away(share.last_opened) });
  const repeat = async () => {
    setPreparing(true);
    await onAgain?.();
    setPreparing(false);
  };
  const close = () => setDoing(null);
  const done = async () => {
    close();
    await onChanged();
  };
  return (
    <li className="line share" data-share={share.id}>
      <span>
        <span className="t"><bdi>{share.name}</bdi></span> <Tag>{t(share.kind === 'link' ? 'shares.link' : 'shares.account')}</Tag> <Tag tone={TONES[share.status]}>{t(`shares.${WORDS[share.status]}`)}</Tag>
        <br />
        <span className="s">{share.types.map((type) => t(`types.${type}`)).join(', ')}{share.records ? ` · ${t('shares.picked', { count: share.records.length, shown: count(share.records.length) })}` : ''}</span>
        <br />
        <span className="s">
          {living ? t('shares.until', { when: moment(share.expires_at) }) : t('shares.ended', { when: moment(share.ended_at ?? share.expires_at) })} · {opened}
          {share.downloads > 0 ? ` · ${t('shares.downloads', { count: share.downloads })}` : ''}
        </span>
      </span>
      <span className="row">
        {living ? <Button size="compact-md" variant="default" onClick={() => setDoing('revoke')}>{t('shares.revoke')}</Button>
          : onAgain ? <Button size="compact-md" variant="default" loading={preparing} onClick={() => void repeat()}>{t('shares.again')}</Button> : null}
        {living ? (
          <Menu position="bottom-end">
            <Menu.Target><Button size="compact-md" variant="default" aria-label={`${t('common.more')}: ${share.name}`}><IconDots size={18} /></Button></Menu.Target>
            <Menu.Dropdown>
              {share.kind === 'link' ? <Menu.Item onClick={() => setDoing('link')}>{t('shares.show_link')}</Menu.Item> : null}
              {share.kind === 'account' && share.status === 'ACTIVE' && !share.records ? <Menu.Item onClick={() => setDoing('narrow')}>{t('narrow.open')}</Menu.Item> : null}
              <Menu.Item onClick={() => setDoing('extend')}>{t('shares.extend')}</Menu.Item>
              {onAgain ? <Menu.Item onClick={() => void repeat()}>{t('shares.again')}</Menu.Item> : null}
            </Menu.Dropdown>
          </Menu>
        ) : null}
        <Button
          size="compact-md" variant="subtle" aria-expanded={details} aria-controls={id} aria-label={`${t('shares.details')}: ${share.name}`}
          onClick={() => setDetails(!details)} rightSection={<IconChevronDown size={16} style={{ rotate: details ? '180deg' : undefined }} />}
        >{t('shares.details')}</Button>
      </span>
      {details ? <div id={id} className="share-details"><Details share={share} patient={patient} /></div> : null}
      {doing === 'revoke' ? <Revoke share={share} patient={patient} onDone={done} onClose={close} /> : null}
      {doing === 'narrow' ? <Narrow share={share} patient={patient} onDone={done} onClose={close} /> : null}
      {doing === 'extend' ? <Extend share={share} patient={patient} onDone={done} onClose={close} /> : null}
      {doing === 'link' ? <ShowLink share={share} patient={patient} onClose={close} /> : null}
    </li>
  );
}

/** What was agreed, and who came under which name. */
function Details({ share, patient }: { share: Access; patient: string }) {
  const { t } = useTranslation();
  const why = useWhy();
  const covers = useQuery({ queryKey: ['covers', patient], queryFn: () => vault.covers(patient), staleTime: 60_000 });
  const visits = useQuery({ queryKey: ['visits', share.id, share.opened], queryFn: () => listVisits(share.id), enabled: share.kind === 'link' });
  const cover = covers.data?.find((one) => one.grant === share.id);
  const facts: [string, string][] = [
    [t('shares.made_on'), moment(share.created_at)],
    [t('shares.rules'), [
      t(share.may_download ? 'shares.rule_download' : 'shares.rule_no_download'), share.may_write ? t('shares.rule_write') : '', share.needs_passcode ? t('shares.rule_passcode') : '',
      share.kinds.length > 0 ? `${t('shares.sensitive')}: ${share.kinds.map((kind) => t(`kinds.${kind}`)).join(', ')}` : t('shares.rule_no_sensitive'),
    ].filter(Boolean).join(' · ')],
    ...(share.email ? [[t('shares.address'), share.email] as [string, string]] : []),
    ...(cover?.message ? [[t('viewer.message'), cover.message] as [string, string]] : []),
    ...(share.last_downloaded ? [[t('shares.last_downloaded'), moment(share.last_downloaded)] as [string, string]] : []),
  ];
  return (
    <dl className="facts">
      {facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div>)}
      {share.kind === 'link' ? (
        <div>
          <dt>{t('shares.visits')}</dt>
          <dd>
            {visits.error ? why(visits.error) : visits.data?.length === 0 ? t('shares.never_opened') : null}
            {visits.data && visits.data.length > 0 ? <ul className="visits">{visits.data.map((one, at) => <li key={at}><bdi>{one.recipient ?? t('shares.visit_unnamed')}</bdi> <span className="muted small">{moment(one.at)}</span></li>)}</ul> : null}
            {visits.data && visits.data.length > 0 ? <span className="muted small">{t('shares.visits_more')}</span> : null}
          </dd>
        </div>
      ) : null}
    </dl>
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

/** The calendar day of a moment where the reader is. */
const localDay = (time: number) => new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 10);

function Extend({ share, patient, onDone, onClose }: Doing) {
  const { t } = useTranslation();
  const why = useWhy();
  const [until, setUntil] = useState(localDay(new Date(share.expires_at).getTime()));
  const extend = useMutation({ mutationFn: () => vault.changeTerms(patient, share.id, new Date(`${until}T23:59:59`).toISOString()), onSuccess: onDone });
  const today = localDay(Date.now());
  const last = localDay(Date.now() + 364 * 86_400_000);
  const wrong = until < today || until > last;
  const longer = (days: number) => {
    const later = localDay(Math.max(Date.now(), new Date(share.expires_at).getTime()) + days * 86_400_000);
    setUntil(later > last ? last : later);
  };
  return (
    <Modal opened onClose={onClose} title={<span className="modal-title">{t('shares.extend')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" onSubmit={(event) => { event.preventDefault(); if (!wrong) extend.mutate(); }}>
        <div className="chips" role="group" aria-label={t('shares.extend')}>
          {[7, 30, 90].map((days) => <button type="button" key={days} className="chip" onClick={() => longer(days)}>{t('shares.longer', { count: days })}</button>)}
        </div>
        <TextInput type="date" label={t('shares.extend_more')} min={today} max={last} required withAsterisk={false} value={until} error={wrong ? t('shares.days_range') : null} onChange={(event) => setUntil(event.currentTarget.value)} />
        {extend.error ? <Note tone="bad"><p>{why(extend.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={extend.isPending}>{t('common.save')}</Button></div>
      </form>
    </Modal>
  );
}

/** The link once more, for whoever shows that they still are who signed in. */
function ShowLink({ share, patient, onClose }: { share: Access; patient: string; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [password, setPassword] = useState('');
  const link = useQuery({ queryKey: ['link', share.id], queryFn: () => vault.linkUrl(patient, share.id), gcTime: 0, retry: false, refetchOnWindowFocus: false });
  const confirm = useMutation({
    mutationFn: async () => {
      await vault.unlock(password);
      await link.refetch();
    },
  });
  const stale = link.error instanceof VaultFailure && link.error.code === 'session.stepup';
  return (
    <Modal opened onClose={onClose} size="lg" title={<span className="modal-title">{t('shares.the_link')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      {link.data ? <LinkBox url={link.data.url} email={share.email} /> : stale ? (
        <form className="stack" onSubmit={(event) => { event.preventDefault(); confirm.mutate(); }}>
          <p style={{ margin: 0 }}>{t('shares.link_stepup')}</p>
          <PasswordInput label={t('accounts.password')} autoComplete="current-password" autoFocus value={password} onChange={(event) => setPassword(event.currentTarget.value)} error={confirm.error ? why(confirm.error) : null} />
          <div className="row" style={{ justifyContent: 'flex-end' }}><Button type="submit" loading={confirm.isPending} disabled={!password}>{t('shares.show_link')}</Button></div>
        </form>
      ) : link.error ? <Note tone="bad"><p>{why(link.error)}</p></Note> : <Waiting />}
    </Modal>
  );
}
