/**
 * The page that a verification mail opens. The token stands in the fragment and
 * is sent when somebody presses the button, not when a mail scanner looks.
 */
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../lib/api.ts';
import { useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { Entry } from '../../ui/entry.tsx';

const readToken = () => new URLSearchParams(location.hash.slice(1)).get('token') ?? '';

export function VerifyEmail() {
  const { t } = useTranslation();
  const why = useWhy();
  const [token] = useState(readToken);
  useEffect(() => {
    document.title = `${t('accounts.verify')} · Chartkey`;
    history.replaceState(history.state, '', location.pathname);
  }, [t]);
  const verify = useMutation({
    mutationFn: async () => {
      await ok(api.POST('/api/auth/verify-email', { body: { token } }));
      await vault.refreshAccount().catch(() => undefined);
    },
  });
  return (
    <Entry>
      <h1>{t('accounts.verify')}</h1>
      {verify.isSuccess ? (
        <div className="stack">
          <Note tone="good"><p>{t('accounts.verified')}</p></Note>
          <Button component={Link} to="/" size="md">{t('accounts.go_on')}</Button>
        </div>
      ) : (
        <div className="stack">
          <p className="muted" style={{ margin: 0 }}>{t(token ? 'accounts.verify_more' : 'accounts.verify_incomplete')}</p>
          {verify.error ? <Note tone="bad"><p>{why(verify.error)}</p></Note> : null}
          {token ? <Button size="md" loading={verify.isPending} onClick={() => verify.mutate()}>{t('accounts.verify_do')}</Button> : null}
        </div>
      )}
    </Entry>
  );
}
