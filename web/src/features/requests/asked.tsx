/** A provider's requests: what was asked for, what became of it, and asking. */
import { Button } from '@mantine/core';
import { IconPlus, IconSend2 } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { away, moment } from '../../lib/format.ts';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { usePoll } from '../../lib/live.ts';
import { type AccessRequest, listRequests, sharedWithMe } from '../../lib/sharing.ts';
import { CaseloadFrame } from '../../ui/caseload-frame.tsx';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';
import { Ask, blank, type Draft } from './ask.tsx';
import { stateOf } from './terms.ts';
import { About, StateTag } from './told.tsx';

export function Asked() {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const { account } = useMe();
  const poll = usePoll(20_000);
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState<Draft>(blank);
  const [sent, setSent] = useState(false);
  const list = useQuery({ queryKey: ['requests', account.id], queryFn: listRequests, refetchInterval: poll });
  const grants = useQuery({ queryKey: ['shared-with-me'], queryFn: sharedWithMe, refetchInterval: poll });
  const names = new Map((grants.data ?? []).flatMap((one): [string, string][] => (one.patient_name ? [[one.patient_id, one.patient_name]] : [])));
  const verified = account.verification === 'verified';
  const ask = (from: Draft) => {
    setDraft(from);
    setSent(false);
    setOpen(true);
  };
  return (
    <CaseloadFrame actions={<Button leftSection={<IconPlus size={18} />} disabled={!verified} onClick={() => ask(draft)}>{t('requests.ask')}</Button>}>
      <div className="stack">
        {verified ? null : <Note tone="warn"><p>{t('requests.unverified')}</p></Note>}
        {sent ? <div role="status"><Note tone="good"><p>{t('requests.sent')}</p></Note></div> : null}
        <section className="card flush" aria-label={t('requests.mine')}>
          {list.isPending ? <Waiting /> : list.error ? <div style={{ padding: 24 }}><Note tone="bad"><p>{why(list.error)}</p></Note></div>
            : list.data.length === 0 ? <Empty icon={IconSend2} title={t('requests.mine_none')}><p>{t('requests.mine_none_more')}</p></Empty>
              : <ul className="list">{list.data.map((one) => <Mine key={one.id} request={one} name={names.get(one.patient_id) ?? null} onAgain={verified ? () => ask(again(one)) : null} />)}</ul>}
        </section>
      </div>
      {open ? (
        <Ask
          draft={draft} onChange={setDraft} known={[...names].map(([id, name]) => ({ id, name }))} onClose={() => setOpen(false)}
          onSent={() => { setOpen(false); setDraft(blank); setSent(true); void queries.invalidateQueries({ queryKey: ['requests'] }); }}
        />
      ) : null}
    </CaseloadFrame>
  );
}

const again = (one: AccessRequest): Draft => ({ ...blank, patient: one.patient_id, types: one.record_types, write_types: one.write_types, kinds: one.include_sensitive, purpose: one.purpose });

function Mine({ request, name, onAgain }: { request: AccessRequest; name: string | null; onAgain: (() => void) | null }) {
  const { t } = useTranslation();
  const state = stateOf(request);
  return (
    <li className="request">
      <div className="between">
        <div className="grow"><b><bdi>{name ?? t('requests.patient_no', { number: `…${request.patient_id.slice(-12)}` })}</bdi></b> <StateTag state={state} /><br /><span className="muted small" title={moment(request.created_at)}>{t('requests.asked_at', { when: away(request.created_at) })}</span></div>
        {state === 'approved' ? <Button component={Link} to={`/patients/${request.patient_id}`} size="compact-md">{t('requests.open')}</Button>
          : state !== 'pending' && onAgain ? <Button size="compact-md" variant="default" onClick={onAgain}>{t('requests.ask_again')}</Button> : null}
      </div>
      <About request={request} />
    </li>
  );
}
