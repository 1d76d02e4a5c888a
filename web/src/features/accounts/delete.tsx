/** Ending the account: in plain words what goes and what cannot be taken back; the password anew, and a sentence typed. */
import { Button, Modal, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import { VaultFailure } from '../../vault-worker/api.ts';
import { Card } from './frame.tsx';

/** Typed by hand: case and spaces at the ends do not count. */
export const confirms = (typed: string, word: string) => typed.trim().replace(/\s+/g, ' ').toLocaleLowerCase() === word.toLocaleLowerCase();

export function DeleteAccount() {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  return (
    <Card title={t('safety.delete')} more={t('safety.delete_more')} danger>
      <div><Button variant="default" className="danger-outline" onClick={() => setAsking(true)}>{t('safety.delete_open')}</Button></div>
      {asking ? <Sure onClose={() => setAsking(false)} /> : null}
    </Card>
  );
}

const POINTS = ['record', 'shares', 'read', 'trail', 'mail'] as const;

function Sure({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const { account } = useMe();
  const [typed, setTyped] = useState('');
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const word = t('safety.delete_word');
  const close = useMutation({ mutationFn: () => vault.closeAccount(password), onSuccess: () => sessionStorage.removeItem('email') });
  const ofPassword = close.error instanceof VaultFailure && (close.error.code.startsWith('session.') || close.error.code === 'vault.password');
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('safety.delete_title')}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form
        className="stack" noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (confirms(typed, word) && password) close.mutate();
        }}
      >
        <ul className="plain-list">{POINTS.map((one) => <li key={one}>{t(`safety.delete_what_${one}`)}</li>)}</ul>
        <Note><p>{t('safety.delete_export')}</p></Note>
        <input type="hidden" autoComplete="username" value={account.email} readOnly />
        <TextInput label={t('safety.delete_type', { word })} autoComplete="off" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} error={tried && !confirms(typed, word) ? t('safety.delete_type_wrong', { word }) : null} />
        <PasswordInput
          label={t('safety.delete_password')} description={t('safety.stepup_more')} autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)}
          error={ofPassword ? why(close.error) : tried && !password ? t('errors.needed') : null}
        />
        {close.error && !ofPassword ? <Note tone="bad"><p>{why(close.error)}</p></Note> : null}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" className="danger" loading={close.isPending}>{t('safety.delete_do')}</Button>
        </div>
      </form>
    </Modal>
  );
}
