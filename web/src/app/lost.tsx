/** Addresses without a screen, and screens that failed. */
import { Button } from '@mantine/core';
import { IconCompass, IconPlugOff } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Empty } from '../ui/pieces.tsx';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <main className="center">
      <Empty icon={IconCompass} title={t('common.not_found')}>
        <p>{t('common.not_found_more')}</p>
        <Button component={Link} to="/">{t('common.to_start')}</Button>
      </Empty>
    </main>
  );
}

export function Broken({ reset }: { reset: () => void }) {
  const { t } = useTranslation();
  return (
    <main className="center">
      <Empty icon={IconPlugOff} title={t('common.broken')}>
        <p>{t('common.broken_more')}</p>
        <Button onClick={reset}>{t('common.again')}</Button>
      </Empty>
    </main>
  );
}
