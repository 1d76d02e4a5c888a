/** The way to a new connection, perhaps with its first patient. */
import { Button, type ButtonProps } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Direction } from '../lib/practice.ts';

export function ConnectButton({ direction, patient, ...look }: { direction: Direction; patient?: string } & ButtonProps) {
  const { t } = useTranslation();
  return (
    <Button leftSection={<IconPlus size={17} />} {...look} renderRoot={(props) => <Link to="/caseload/connections/new" search={{ direction, ...(patient ? { patient } : {}) }} {...props} />}>
      {t(`connections.add_${direction}`)}
    </Button>
  );
}
