/** Trying a connection: one cheap call to the other end, and what it means. */
import { Button } from '@mantine/core';
import { IconPlugConnected } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { type Connection, type Verification, verifyConnection } from '../../lib/practice.ts';
import { Note } from '../../ui/pieces.tsx';
import { useProblem } from '../../ui/problem.ts';

export function Outcome({ tried, connection }: { tried: Verification; connection: Connection }) {
  const { t } = useTranslation();
  const problem = useProblem();
  return (
    <div role="status">
      <Note tone={tried.works ? 'good' : 'bad'}>
        <p><b>{tried.works ? t('connections.works', { name: connection.name }) : t('connections.works_not', { name: connection.name })}</b> {tried.works ? (tried.account ? <bdi>{t('connections.account', { account: tried.account })}</bdi> : null) : problem(tried.problem)}</p>
        {tried.works && connection.hands_off ? <p>{t('connections.hands_off')}</p> : null}
        {tried.notes.length ? <ul className="plain-list small" lang="en">{tried.notes.slice(0, 12).map((one) => <li key={one}>{one}</li>)}</ul> : null}
      </Note>
    </div>
  );
}

export function Try({ connection }: { connection: Connection }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const verify = useMutation({ mutationFn: () => verifyConnection(connection.id), onSuccess: () => queries.invalidateQueries({ queryKey: ['connections'] }) });
  return (
    <div className="stack-s">
      <div><Button variant="default" leftSection={<IconPlugConnected size={18} />} loading={verify.isPending} onClick={() => verify.mutate()}>{t('connections.try')}</Button></div>
      {verify.data ? <Outcome tried={verify.data} connection={connection} /> : null}
      {verify.error ? <Note tone="bad"><p>{why(verify.error)}</p></Note> : null}
    </div>
  );
}
