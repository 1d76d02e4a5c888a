/** A PDF made on this device: its button, how far it is, what came of it. */
import { Button, type ButtonProps, Progress as Bar, VisuallyHidden } from '@mantine/core';
import { IconFileTypePdf } from '@tabler/icons-react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { size } from '../lib/format.ts';
import { print } from '../lib/press.ts';
import type { Job, Progress } from '../press/job.ts';
import { VaultFailure } from '../vault-worker/api.ts';
import { save } from './content.tsx';
import { Note } from './pieces.tsx';

type At = { is: 'idle' } | { is: 'working'; at: Progress } | { is: 'done'; pdf: Blob; name: string } | { is: 'failed'; why: unknown };

export interface Pdf { at: At; begin: (name: string, job: Job) => void }

/**
 * `before` is asked when the PDF is there, before it is handed over: what it
 * refuses is dropped, and what could not be made was not counted.
 */
export function usePdf(before?: () => Promise<unknown>): Pdf {
  const [at, setAt] = useState<At>({ is: 'idle' });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const begin = useCallback((name: string, job: Job) => {
    const own = new AbortController();
    running.current?.abort();
    running.current = own;
    const set = (next: At) => own.signal.aborted || setAt(next);
    set({ is: 'working', at: { stage: 'fetching', share: 0 } });
    const make = async () => {
      const pdf = await print(job, (progress) => set({ is: 'working', at: progress }), own.signal);
      await before?.();
      save(name, pdf, 'application/pdf');
      set({ is: 'done', pdf, name });
    };
    make().catch((why: unknown) => set({ is: 'failed', why }));
  }, [before]);
  return { at, begin };
}

export function PdfButton({ pdf, onClick, children, ...look }: ButtonProps & { pdf: Pdf; onClick: () => void; children?: string }) {
  const { t } = useTranslation();
  return <Button leftSection={<IconFileTypePdf size={18} />} {...look} loading={pdf.at.is === 'working'} onClick={onClick}>{children ?? t('paper.pdf')}</Button>;
}

/** What is going on. `said` has a word for what is no failure of the press; it may have none. */
export function PdfState({ pdf: { at }, said }: { pdf: Pdf; said?: (why: unknown) => string | null }) {
  const { t } = useTranslation();
  if (at.is === 'working') {
    const { at: how } = at;
    const share = how.stage === 'fetching' ? how.share * 100 : 100;
    const words = how.stage === 'fetching' ? t('paper.getting', { share: Math.floor(share) }) : t('paper.setting');
    return (
      <div className="no-print">
        <p className="small muted num" style={{ margin: '0 0 6px' }}>{words}</p>
        <Bar value={Math.max(4, share)} animated size="sm" aria-label={t('paper.pdf')} />
        <VisuallyHidden role="status">{how.stage === 'fetching' ? t('paper.begun') : words}</VisuallyHidden>
      </div>
    );
  }
  if (at.is === 'failed') return <Note tone="bad"><p>{said?.(at.why) ?? t(wordOf(at.why))}</p></Note>;
  if (at.is === 'done') {
    const { name, pdf } = at;
    return <div role="status" className="no-print"><Note tone="good"><p>{t('paper.done', { name, size: size(pdf.size) })} <button type="button" className="link-button" onClick={() => save(name, pdf, 'application/pdf')}>{t('paper.again')}</button></p></Note></div>;
  }
  return null;
}

const wordOf = (why: unknown) => (why instanceof VaultFailure && why.code === 'press.unreachable' ? 'paper.unreachable' : 'paper.failed');
