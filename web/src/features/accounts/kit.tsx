/** The recovery kit: shown once, printed, saved or kept, and asked about before going on. */
import { Button, TextInput } from '@mantine/core';
import { IconCopy, IconPrinter } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { day } from '../../lib/format.ts';
import { PdfButton, PdfState, usePdf } from '../../ui/pdf.tsx';
import { Note } from '../../ui/pieces.tsx';

/** Letters and digits only, as the code is compared. */
const bare = (text: string) => text.toUpperCase().replace(/[^0-9A-Z]/g, '');

export function Kit({ code, email, onKept }: { code: string; email: string; onKept: () => void }) {
  const { t, i18n } = useTranslation();
  const pdf = usePdf();
  const [asked, setAsked] = useState('');
  const [wrong, setWrong] = useState(false);
  const groups = code.split(/[\s-]+/).filter(Boolean);
  const last = groups.at(-1) ?? '';
  const made = new Date().toISOString();
  const keep = () => pdf.begin('chartkey-recovery-kit.pdf', {
    kit: {
      lang: i18n.language, title: t('accounts.kit'), code: groups.join('-'), made,
      facts: [[t('paper.kit_account'), email], [t('paper.kit_made'), day(made)], [t('paper.kit_where'), location.host]],
      about: [t('accounts.kit_print')], warning: t('accounts.kit_warning'),
    },
  });
  return (
    <div className="stack">
      <div>
        <h1>{t('accounts.kit')}</h1>
        <p className="muted" style={{ margin: 0 }}>{t('accounts.kit_more')}</p>
      </div>
      <div className="kit printed">
        <h3>Chartkey · {t('accounts.kit')}</h3>
        <div className="small">{email} · {day(made)} · {location.host}</div>
        <div className="code" data-testid="recovery-code">{groups.join('-')}</div>
        <div className="small">{t('accounts.kit_print')}</div>
      </div>
      <div className="row no-print">
        <Button leftSection={<IconPrinter size={18} />} onClick={() => window.print()}>{t('accounts.kit_do_print')}</Button>
        <PdfButton pdf={pdf} variant="default" onClick={keep} />
        <Button variant="default" leftSection={<IconCopy size={18} />} onClick={() => void navigator.clipboard?.writeText(code)}>{t('common.copy')}</Button>
      </div>
      <PdfState pdf={pdf} />
      <Note tone="warn"><p>{t('accounts.kit_warning')}</p></Note>
      <form
        className="no-print stack-s"
        onSubmit={(event) => {
          event.preventDefault();
          const given = bare(asked);
          if (given === bare(last) || given === bare(code)) onKept();
          else setWrong(true);
        }}
      >
        <TextInput
          label={t('accounts.kit_check')} description={t('accounts.kit_check_more', { count: last.length })} value={asked}
          onChange={(event) => { setAsked(event.currentTarget.value); setWrong(false); }}
          error={wrong ? t('accounts.kit_wrong') : null} autoComplete="off" spellCheck={false}
        />
        <Button type="submit" size="md">{t('accounts.kit_kept')}</Button>
      </form>
    </div>
  );
}
