/** The signed statements of both logs, to be kept elsewhere. */
import { Button, SegmentedControl } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconCopy, IconWritingSign } from '@tabler/icons-react';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call } from '../../lib/api.ts';
import { away, count, moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { Source } from '../../ui/content.tsx';
import { OfficeFrame } from '../../ui/office-frame.tsx';
import { Empty, Note, Waiting } from '../../ui/pieces.tsx';

interface Signed { tree_size: number; signed_at: string; checkpoint: string }
type Which = 'trail' | 'keys';

export function Log() {
  const { t } = useTranslation();
  const why = useWhy();
  const [log, setLog] = useState<Which>('trail');
  const list = useInfiniteQuery({
    queryKey: ['admin', 'checkpoints', log],
    queryFn: ({ pageParam }) => call<{ items: Signed[]; next: string | null }>('GET', `/api/admin/checkpoints?log=${log}&limit=20${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`),
    initialPageParam: '', getNextPageParam: (page) => page.next ?? undefined, placeholderData: keepPreviousData, refetchInterval: 30_000,
  });
  const [newest, ...earlier] = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <OfficeFrame more={t('office.log_more')}>
      <div className="stack">
        <div className="scroll-x"><SegmentedControl aria-label={t('office.log_which')} value={log} onChange={(value) => setLog(value as Which)} data={[{ value: 'trail', label: t('office.log_trail') }, { value: 'keys', label: t('office.log_keys') }]} /></div>
        {list.error ? <Note tone="bad"><p>{why(list.error)}</p></Note> : list.isPending ? <Waiting /> : !newest ? <section className="card"><Empty icon={IconWritingSign} title={t('office.log_none')} /></section> : (
          <>
            <section className="card"><h2>{t('office.newest')}</h2><Statement signed={newest} /></section>
            {earlier.length > 0 ? (
              <section className="card flush">
                <header><h2>{t('office.earlier')}</h2></header>
                <ul className="list">{earlier.map((one) => <li key={one.tree_size}><details className="entry"><summary className="line"><span className="t num">{t('office.size', { count: one.tree_size, shown: count(one.tree_size) })}</span><span className="e s">{away(one.signed_at)}</span></summary><div className="entry-more"><Statement signed={one} /></div></details></li>)}</ul>
                {list.hasNextPage ? <p className="rest"><button type="button" className="link-button" onClick={() => void list.fetchNextPage()}>{t('common.more')}</button></p> : null}
              </section>
            ) : null}
          </>
        )}
      </div>
    </OfficeFrame>
  );
}

function Statement({ signed }: { signed: Signed }) {
  const { t } = useTranslation();
  const clipboard = useClipboard();
  return (
    <div className="stack-s">
      <p className="muted num" style={{ margin: 0 }}>{t('office.size', { count: signed.tree_size, shown: count(signed.tree_size) })} · {moment(signed.signed_at)}</p>
      <Source text={signed.checkpoint} label={t('office.newest')} />
      <div><Button size="compact-md" variant="default" leftSection={<IconCopy size={17} />} onClick={() => clipboard.copy(signed.checkpoint)}>{t(clipboard.copied ? 'common.copied' : 'common.copy')}</Button></div>
    </div>
  );
}
