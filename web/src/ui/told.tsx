/** A short word at the edge of the screen about what was just done; it goes by itself or at a press. */
import { CloseButton, Portal, Transition } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Note } from './pieces.tsx';

const SHOWN_MS = 9_000;

export function Told({ text, tone = 'good' }: { text: string; tone?: 'good' | 'bad' }) {
  const { t } = useTranslation();
  const [on, setOn] = useState(true);
  useEffect(() => {
    // What went wrong stays until it was read.
    if (tone === 'bad') return;
    const timer = setTimeout(() => setOn(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [tone]);
  return (
    <Portal>
      <Transition mounted={on} transition="slide-up">
        {(styles) => (
          <div className="told" style={styles} role="status">
            <Note tone={tone}><div className="between" style={{ flexWrap: 'nowrap' }}><p>{text}</p><CloseButton size="sm" aria-label={t('common.close')} onClick={() => setOn(false)} /></div></Note>
          </div>
        )}
      </Transition>
    </Portal>
  );
}
