/** New keys, after a leak or a lost device: what it does, what it cannot do, and the new kit that comes with it. */
import { Button, Modal, PasswordInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { Card } from './frame.tsx';
import { Kit } from './kit.tsx';

export function ChangeKeys({ email, links }: { email: string; links: boolean }) {
  const { t } = useTranslation();
  const why = useWhy();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string | null>(null);
  const [kept, setKept] = useState(false);
  const change = useMutation({
    mutationFn: () => vault.changeKeys(password),
    onSuccess: (made) => {
      setCode(made.recovery_code);
      setKept(false);
      setAsking(false);
      setPassword('');
      void queries.invalidateQueries();
    },
  });
  // There is no second look at the new kit.
  useEffect(() => {
    if (!code && !change.isPending) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [code, change.isPending]);
  const close = () => {
    if (!change.isPending) setAsking(false);
  };
  return (
    <Card title={t('keys.title')} more={t('keys.more')}>
      {kept ? <Note tone="good"><p>{t('keys.done')}</p></Note> : null}
      <div><Button variant="default" onClick={() => { change.reset(); setAsking(true); }}>{t('keys.open')}</Button></div>
      <Modal opened={asking} onClose={close} size="lg" title={<span className="modal-title">{t('keys.ask')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <form className="stack" onSubmit={(event) => { event.preventDefault(); change.mutate(); }}>
          <ul className="plain-list">
            <li>{t('keys.what_new')}</li>
            <li>{t('keys.what_kit')}</li>
            <li>{t('keys.what_devices')}</li>
            {links ? <li>{t('keys.what_links')}</li> : null}
            <li>{t('keys.what_grants')}</li>
          </ul>
          <Note tone="warn"><p>{t('keys.cannot')}</p></Note>
          <input type="hidden" autoComplete="username" value={email} readOnly />
          <PasswordInput label={t('safety.kit_password')} description={t('safety.kit_password_more')} autoComplete="current-password" required withAsterisk={false} value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
          {change.error ? <Note tone="bad"><p>{why(change.error)}</p></Note> : null}
          {change.isPending ? <div role="status"><Note><p>{t('keys.working')}</p></Note></div> : null}
          <div className="row ends"><Button variant="default" disabled={change.isPending} onClick={close}>{t('common.cancel')}</Button><Button type="submit" className="danger" disabled={!password} loading={change.isPending}>{t('keys.do')}</Button></div>
        </form>
      </Modal>
      <Modal opened={code !== null} onClose={() => undefined} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} size="lg">
        {code ? <Kit code={code} email={email} onKept={() => { setCode(null); setKept(true); }} /> : null}
      </Modal>
    </Card>
  );
}
