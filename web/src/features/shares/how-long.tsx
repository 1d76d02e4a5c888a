/** For how long, on which conditions, and with which words. */
import { NumberInput, PasswordInput, Radio, Switch, Textarea } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Part } from './part.tsx';
import type { Mailing, Problems, Set, ShareData } from './record-sharing.tsx';

const LENGTHS = [7, 14, 30, 60, 90];
const MAILINGS: Mailing[] = ['none', 'notice', 'link'];

export function HowLong({ data, set, problems, until }: { data: ShareData; set: Set; problems: Problems; until: string }) {
  const { t } = useTranslation();
  const byLink = data.way === 'link';
  const addressed = data.recipients.some((one) => one.email.trim() !== '');
  return (
    <>
      <Part title={t('shares.how_long')}>
        <div className="chips" role="group" aria-label={t('shares.how_long')}>
          {LENGTHS.map((days) => <button type="button" key={days} className="chip" aria-pressed={data.expiresInDays === days} onClick={() => set({ expiresInDays: days })}>{t('shares.days', { count: days })}</button>)}
        </div>
        <div className="row" style={{ alignItems: 'end' }}>
          <NumberInput label={t('shares.custom')} min={1} max={365} allowDecimal={false} clampBehavior="none" value={Number.isNaN(data.expiresInDays) ? '' : data.expiresInDays} onChange={(value) => set({ expiresInDays: value === '' ? Number.NaN : Number(value) })} error={problems.days} maw={260} />
          {problems.days ? null : <span className="muted small" style={{ paddingBottom: 8 }}>{t('shares.until', { when: until })}</span>}
        </div>
        <Switch label={t('shares.allow_download')} description={t('shares.allow_download_more')} checked={data.allowDownload} onChange={(event) => set({ allowDownload: event.currentTarget.checked })} />
      </Part>
      <Part title={t('shares.words')}>
        {byLink ? <PasswordInput label={t('shares.passcode')} description={t('shares.passcode_more')} autoComplete="off" value={data.passcode} error={problems.passcode} onChange={(event) => set({ passcode: event.currentTarget.value })} /> : null}
        <Textarea label={t('shares.message')} description={t('shares.message_more')} autosize minRows={2} maxLength={2000} value={data.message} onChange={(event) => set({ message: event.currentTarget.value })} />
        {byLink && addressed ? (
          <Radio.Group label={t('shares.mailing')} value={data.sendEmail} onChange={(value) => set({ sendEmail: value as Mailing })}>
            <div className="stack-s" style={{ marginTop: 8 }}>
              {MAILINGS.map((one) => <Radio key={one} value={one} label={t(`shares.mailing_${one}`)} description={t(`shares.mailing_${one}_more`)} />)}
            </div>
          </Radio.Group>
        ) : null}
      </Part>
    </>
  );
}
