/** What is new, who has access, what is about to end. */
import { Button } from '@mantine/core';
import { IconPlus, IconShare3, IconUpload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { countTypes } from '../../lib/find.ts';
import { away, clinicalDate, count } from '../../lib/format.ts';
import { useHeaders, useMe, useWhy } from '../../lib/hooks.ts';
import { nextChange, usePoll } from '../../lib/live.ts';
import { listRequests, livingShares } from '../../lib/sharing.ts';
import { ClaimsNote } from '../../ui/claims-note.tsx';
import { Empty, Head, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { Unverified } from '../../ui/unverified.tsx';
import { RECORD_TYPES } from '../../vault-worker/api.ts';

export function Home() {
  const { t } = useTranslation();
  const why = useWhy();
  const { account, patient } = useMe();
  const headers = useHeaders(patient);
  const own = useMemo(() => (headers.data ?? []).filter((one) => !one.supporting), [headers.data]);
  const counts = useMemo(() => countTypes(own), [own]);
  const newest = useMemo(() => [...own].sort((one, other) => (one.created_at < other.created_at ? 1 : -1)).slice(0, 6), [own]);
  const first = account.name.split(/\s+/)[0] ?? account.name;
  return (
    <>
      <Head
        title={t('home.hello', { name: first })}
        actions={<><Button component={Link} to="/record/add" variant="default" leftSection={<IconPlus size={18} />}>{t('home.add')}</Button><Button component={Link} to="/sharing" search={{ new: true } as never} leftSection={<IconShare3 size={18} />}>{t('shares.new')}</Button></>}
      >
        {headers.data ? t('home.more', { count: own.length, shown: count(own.length) }) : ' '}
      </Head>
      <div className="stack">
        <Unverified account={account} />
        <ClaimsNote />
        <Asking patient={patient} />
        {headers.error ? <Note tone="bad"><p>{why(headers.error)}</p></Note> : null}
        {headers.isPending ? <Waiting /> : own.length === 0 ? (
          <section className="card"><Empty icon={IconUpload} title={t('home.start')}><p>{t('home.start_more')}</p><Button component={Link} to="/record/add" size="md">{t('home.add')}</Button></Empty></section>
        ) : (
          <section aria-label={t('home.summary')} className="tiles">
            {RECORD_TYPES.filter((type) => counts.has(type)).map((type) => (
              <Link key={type} className="tile" to="/record/type/$type" params={{ type }}>
                <span className="n num">{count(counts.get(type) ?? 0)}</span>
                <b>{t(`types.${type}`)}</b>
              </Link>
            ))}
          </section>
        )}
        <div className="cols">
          <Access patient={patient} />
          {own.length > 0 ? (
            <section className="card flush">
              <header className="between"><h2>{t('home.new')}</h2><Link to="/record" className="small">{t('home.see_all')}</Link></header>
              <ul className="list">
                {newest.map((one) => (
                  <li key={one.id}>
                    <Link className="line" to="/record/item/$id" params={{ id: one.id }}>
                      <span><span className="t">{one.title}</span><br /><span className="s">{[t(`types.${one.record_type}`), clinicalDate(one.date)].filter(Boolean).join(' · ')}</span></span>
                      <span className="e small muted">{away(one.created_at)}</span>
                    </Link>
                  </li>
                ))}
              </ul>
            </section>
          ) : null}
        </div>
      </div>
    </>
  );
}

/** Somebody waits for an answer: the first thing to be seen. */
function Asking({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const requests = useQuery({ queryKey: ['requests', patient], queryFn: listRequests, refetchInterval: usePoll(20_000) });
  const waiting = (requests.data ?? []).filter((one) => one.status.toLowerCase() === 'pending' && one.patient_id === patient);
  const [first] = waiting;
  if (!first) return null;
  return (
    <Note tone="warn">
      <div className="between"><p className="grow"><bdi>{t('requests.home', { count: waiting.length, name: first.provider_name })}</bdi></p><Button component={Link} to="/sharing/requests" size="compact-md">{t('requests.decide')}</Button></div>
    </Note>
  );
}

function Access({ patient }: { patient: string }) {
  const { t } = useTranslation();
  const poll = usePoll(20_000);
  const shares = useQuery({
    queryKey: ['shares', patient], queryFn: () => livingShares(patient),
    refetchInterval: (query) => poll || nextChange((query.state.data ?? []).flatMap((one) => [one.expires_at, one.valid_from]), Date.now()),
  });
  const active = (shares.data ?? []).filter((one) => one.status === 'ACTIVE' || one.status === 'PENDING');
  return (
    <section className="card flush">
      <header className="between"><h2>{t('home.access')}</h2><Link to="/sharing" className="small">{t('home.see_all')}</Link></header>
      {active.length === 0 ? <p className="muted" style={{ margin: 0, padding: '0 24px 22px' }}>{t('home.access_none')}</p> : (
        <ul className="list">
          {active.slice(0, 6).map((one) => (
            <li key={one.id} className="line">
              <span><span className="t"><bdi>{one.name}</bdi></span><br /><span className="s">{one.types.map((type) => t(`types.${type}`)).join(', ')}</span></span>
              <span className="e"><Tag tone={new Date(one.expires_at).getTime() - Date.now() < 3 * 86_400_000 ? 'warn' : 'good'}>{t('home.expiring', { when: away(one.expires_at) })}</Tag></span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
