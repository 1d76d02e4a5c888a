/**
 * Giving somebody less than before. Signed terms never change: a smaller grant
 * is made, and then the one before ends. Where the second step fails, it alone
 * is done again.
 */
import { Button, Modal, Switch, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWhy } from '../../lib/hooks.ts';
import type { Access } from '../../lib/sharing.ts';
import { vault } from '../../lib/vault.ts';
import { ChooseKinds, ChooseTypes } from '../../ui/choose-types.tsx';
import { Note } from '../../ui/pieces.tsx';
import { asItIs, endOf, lastDay, type Less, problem, today } from './narrow.ts';

export function Narrow({ share, patient, onDone, onClose }: { share: Access; patient: string; onDone: () => Promise<void>; onClose: () => void }) {
  const { t } = useTranslation();
  const why = useWhy();
  const [less, setLess] = useState(() => asItIs(share));
  const [tried, setTried] = useState(false);
  const made = useRef(false);
  const set = (part: Partial<Less>) => setLess({ ...less, ...part });
  const now = Date.now();
  const wrong = problem(less, share, now);
  const give = useMutation({
    mutationFn: async () => {
      if (!made.current) {
        await vault.createGrant(patient, {
          types: less.types, kinds: less.kinds, records: null, valid_from: null, expires_at: endOf(less, share), purpose: 'TREAT', may_download: less.may_download, message: null,
          provider: share.provider ?? '', provider_name: share.name, write_types: less.write_types,
        });
        made.current = true;
      }
      await vault.endGrant(patient, share.id, 'account');
    },
    onSuccess: onDone,
  });
  const frozen = made.current;
  return (
    <Modal opened onClose={onClose} size="lg" closeOnClickOutside={false} title={<span className="modal-title">{t('narrow.title', { name: share.name })}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form className="stack" noValidate onSubmit={(event) => { event.preventDefault(); setTried(true); if (!wrong) give.mutate(); }}>
        <p className="muted" style={{ margin: 0 }}>{t('narrow.more', { name: share.name })}</p>
        <ChooseTypes legend={t('narrow.read')} types={share.types} chosen={less.types} onChange={(types) => set({ types })} problem={tried && wrong === 'nothing' ? t('narrow.nothing') : null} />
        {share.kinds.length > 0 ? <ChooseKinds legend={t('narrow.kinds')} more={t('narrow.kinds_more')} kinds={share.kinds} chosen={less.kinds} onChange={(kinds) => set({ kinds })} /> : null}
        {share.write_types.length > 0 ? <ChooseTypes legend={t('narrow.write')} types={share.write_types} chosen={less.write_types} onChange={(write_types) => set({ write_types })} /> : null}
        <TextInput type="date" label={t('narrow.until')} min={today(now)} max={lastDay(share)} style={{ maxWidth: 280 }} value={less.until} onChange={(event) => set({ until: event.currentTarget.value })} error={tried && wrong === 'until' ? t('narrow.until_wrong') : null} />
        {share.may_download ? <Switch label={t('narrow.download')} checked={less.may_download} onChange={(event) => set({ may_download: event.currentTarget.checked })} /> : null}
        {tried && wrong === 'same' ? <Note tone="warn"><p>{t('narrow.same')}</p></Note> : null}
        {give.error ? <Note tone="bad"><p>{frozen ? `${t('narrow.half')} ` : ''}{why(give.error)}</p></Note> : null}
        <div className="row ends"><Button variant="default" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" loading={give.isPending}>{t(frozen ? 'common.again' : 'narrow.do')}</Button></div>
      </form>
    </Modal>
  );
}
