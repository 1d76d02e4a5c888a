/** Everyone who may open one's record, now and before; and who asks. */
import { Button } from '@mantine/core';
import { IconArrowsExchange, IconLock, IconPlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countTypes } from '../../lib/find.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { nextChange, usePoll } from '../../lib/live.ts';
import { type Access, type AccessRequest, allShares } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { Empty, Head, Note, Waiting } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';
import { RECORD_TYPES } from '../../vault-worker/api.ts';
import { again, asAsked } from './again.ts';
import { RecordSharing, type ShareData } from './record-sharing.tsx';
import { Requests } from './requests.tsx';
import { share } from './share.ts';
import { ShareLine } from './share-line.tsx';

/** What the dialog is open for. */
type Sharing = { initial?: Partial<ShareData>; request?: AccessRequest };

export function Shares() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const { account, patient } = useMe();
  const search = useSearch({ strict: false }) as { new?: boolean };
  const [sharing, setSharing] = useState<Sharing | null>(search.new === true ? {} : null);
  const poll = usePoll(10_000);
  const shares = useQuery({
    queryKey: ['shares', patient, 'all'], queryFn: () => allShares(patient),
    refetchInterval: (query) => poll || nextChange((query.state.data ?? []).flatMap((one) => [one.expires_at, one.valid_from]), Date.now()),
  });
  const headers = useHeaders(patient);
  const own = useMemo(() => (headers.data ?? []).filter((one) => !one.supporting), [headers.data]);
  const types = useMemo(() => {
    const counts = countTypes(own);
    return RECORD_TYPES.filter((one) => counts.has(one)).map((id) => ({ id, label: t(`types.${id}`), count: counts.get(id) ?? 0 }));
  }, [own, t]);
  const refresh = () => queries.invalidateQueries({ queryKey: ['shares', patient] });
  const living = shares.data?.filter((one) => one.status === 'ACTIVE' || one.status === 'PENDING') ?? [];
  const past = shares.data?.filter((one) => one.status === 'EXPIRED' || one.status === 'REVOKED') ?? [];
  const canShare = account.email_verified && types.length > 0;
  const shareAgain = async (one: Access) => {
    const covers = await vault.covers(patient).catch(() => []);
    setSharing({ initial: again(one, covers.find((cover) => cover.grant === one.id)?.message ?? null, own, Date.now()) });
  };
  // What is asked for may be narrowed, not widened.
  const asked = sharing?.request;
  const offered = asked ? own.filter((one) => asked.record_types.includes(one.record_type) && one.kinds.every((kind) => asked.include_sensitive.includes(kind))) : own;
  const line = (one: Access) => <ShareLine key={one.id} share={one} patient={patient} onChanged={refresh} onAgain={canShare ? () => shareAgain(one) : null} />;
  return (
    <>
      <Head title={t('shares.title')} actions={<><Button component={Link} to="/sharing/connected" variant="default" leftSection={<IconArrowsExchange size={18} />}>{t('connected.title')}</Button><Button leftSection={<IconPlus size={18} />} onClick={() => setSharing({})} disabled={!canShare}>{t('shares.new')}</Button></>}>{t('shares.more')}</Head>
      <div className="stack">
        <Unverified account={account} />
        {headers.data && types.length === 0 ? <Note><p>{t('shares.nothing_yet')}</p></Note> : null}
        <Requests patient={patient} onAnswered={refresh} onNarrow={(request) => setSharing({ initial: asAsked(request, own, Date.now()), request })} />
        {shares.isPending ? <Waiting /> : shares.error ? <Note tone="bad"><p>{why(shares.error)}</p></Note> : (
          <>
            <section className="card flush">
              <header><h2>{t('shares.active')}</h2></header>
              {living.length === 0 ? <Empty icon={IconLock} title={t('shares.empty')}><p>{t('shares.empty_more')}</p></Empty> : <ul className="list">{living.map(line)}</ul>}
            </section>
            {past.length > 0 ? (
              <section className="card flush">
                <header><h2>{t('shares.past')}</h2></header>
                <ul className="list">{past.map(line)}</ul>
              </section>
            ) : null}
          </>
        )}
      </div>
      {sharing ? (
        <RecordSharing
          userProfile={{ id: account.id, name: account.name, email: account.email }} records={offered}
          availableRecordTypes={asked ? types.filter((one) => asked.record_types.includes(one.id)) : types}
          onShare={async (data) => {
            const done = await share(patient, offered, data, sharing.request ?? null);
            await Promise.all([refresh(), queries.invalidateQueries({ queryKey: ['requests', patient] })]);
            return done;
          }}
          onPreview={(part) => vault.previewShare(patient, part)} initial={sharing.initial} fixed={sharing.request !== undefined}
          opened onClose={() => setSharing(null)}
        />
      ) : null}
    </>
  );
}
