/** A practice's connections: where documents come from, where they go, and how each of them is. */
import { IconBuildingHospital, IconClipboardHeart, IconPlugConnected } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { away, count } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { type Attachment, type Connection, type Direction, useAttachments, useConnections } from '../../lib/practice.ts';
import { ConnectButton } from '../../ui/connect-button.tsx';
import { Empty, Note, Tag, Waiting } from '../../ui/pieces.tsx';
import { PracticeFrame } from '../../ui/practice-frame.tsx';
import { useProblem } from '../../ui/problem.ts';

const DIRECTIONS = ['source', 'destination'] as const;

export function Connections() {
  const { t } = useTranslation();
  return (
    <PracticeFrame more={t('connections.more')}>
      <div className="stack">{DIRECTIONS.map((one) => <Part key={one} direction={one} />)}</div>
    </PracticeFrame>
  );
}

function Part({ direction }: { direction: Direction }) {
  const { t } = useTranslation();
  const why = useWhy();
  const list = useConnections();
  const attached = useAttachments(list.data);
  const own = (list.data ?? []).filter((one) => one.direction === direction);
  const add = <ConnectButton direction={direction} />;
  return (
    <section className="card flush" aria-labelledby={direction}>
      <header className="between"><div className="grow"><h2 id={direction}>{t(`connections.${direction}s`)}</h2><p className="small muted" style={{ margin: 0 }}>{t(`connections.${direction}s_more`)}</p></div>{own.length > 0 ? add : null}</header>
      {list.error ? <div className="padded"><Note tone="bad"><p>{why(list.error)}</p></Note></div> : list.isPending ? <Waiting />
        : own.length === 0 ? <Empty icon={IconPlugConnected} title={t(`connections.none_${direction}`)}><p>{t(`connections.more_${direction}`)}</p>{add}</Empty>
          : <ul className="list">{own.map((one) => <Line key={one.id} one={one} attached={attached.isPending ? null : attached.items.filter(({ connection_id }) => connection_id === one.id)} />)}</ul>}
    </section>
  );
}

function Line({ one, attached }: { one: Connection; attached: Attachment[] | null }) {
  const { t } = useTranslation();
  const problem = useProblem();
  const Icon = one.direction === 'source' ? IconBuildingHospital : IconClipboardHeart;
  const troubled = attached?.filter(({ state }) => state === 'needs_attention').length ?? 0;
  const last = attached?.map(({ last_run_at }) => last_run_at ?? '').sort().at(-1);
  return (
    <li>
      <Link to="/caseload/connections/$id" params={{ id: one.id }} className="line linked">
        <Icon size={22} stroke={1.5} aria-hidden />
        <span>
          <span className="t"><bdi>{one.name}</bdi></span> <span className="s">{t(`connections.kind_${one.kind}`)}</span>
          <br />
          <span className="s">
            {one.problem ? <span className="urgent">{problem(one.problem)} </span> : null}
            {[attached ? t('connections.patients_on', { count: attached.length, shown: count(attached.length) }) : '', troubled ? t('connections.troubled', { count: troubled, shown: count(troubled) }) : '', last ? t('sync.last', { when: away(last) }) : ''].filter(Boolean).join(' · ')}
          </span>
        </span>
        <span className="e">{one.hands_off ? <Tag>{t('connections.by_hand')}</Tag> : null} <Tag tone={one.state === 'ok' ? (troubled ? 'warn' : 'good') : one.state === 'paused' ? 'plain' : 'bad'}>{t(`practice.state_${one.state === 'ok' && troubled ? 'needs_attention' : one.state}`)}</Tag></span>
      </Link>
    </li>
  );
}
