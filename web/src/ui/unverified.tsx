/** Says that the e-mail address waits for confirmation, and sends the mail again. */
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../lib/api.ts';
import { useWhy } from '../lib/hooks.ts';
import type { Account } from '../vault-worker/api.ts';
import { Note } from './pieces.tsx';

export function Unverified({ account }: { account: Account }) {
  const { t } = useTranslation();
  const why = useWhy();
  const resend = useMutation({ mutationFn: () => ok(api.POST('/api/auth/verify-email/resend')) });
  if (account.email_verified) return null;
  return (
    <Note tone="warn">
      <div className="between">
        <p className="grow">{t('settings.unverified')} {resend.error ? why(resend.error) : null}</p>
        {resend.isSuccess ? <span>{t('settings.resent')}</span> : <Button size="compact-md" variant="default" loading={resend.isPending} onClick={() => resend.mutate()}>{t('settings.resend')}</Button>}
      </div>
    </Note>
  );
}
