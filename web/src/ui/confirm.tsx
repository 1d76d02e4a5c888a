/** Asks once more before something that others notice. What fails is told in place. */
import { Button, Modal } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../lib/hooks.ts';
import { Note } from './pieces.tsx';

export function Confirm({ title, act, doing, onDone, onClose, children }: {
  title: string; act: string; doing: () => Promise<unknown>; onDone?: () => void; onClose: () => void; children: ReactNode;
}) {
  const { t } = useTranslation();
  const why = useWhy();
  const run = useMutation({ mutationFn: doing, onSuccess: () => { onDone?.(); onClose(); } });
  return (
    <Modal opened onClose={onClose} title={<span className="modal-title">{title}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <div className="stack">
        {children}
        {run.error ? <Note tone="bad"><p>{why(run.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>{t('common.cancel')}</Button>
          <Button className="danger" loading={run.isPending} onClick={() => run.mutate()}>{act}</Button>
        </div>
      </div>
    </Modal>
  );
}
