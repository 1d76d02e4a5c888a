/** A link that is open: the record as a clinician wants it, and what may be done with it. */
import { Button, Modal } from '@mantine/core';
import { IconDownload, IconPrinter, IconRefresh, IconShieldLock } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { away, moment } from '../lib/format.ts';
import { vault } from '../lib/vault.ts';
import { Clinical } from '../ui/clinical.tsx';
import { Content, save } from '../ui/content.tsx';
import { PdfButton, PdfState, usePdf } from '../ui/pdf.tsx';
import { Mark, Note, Tag } from '../ui/pieces.tsx';
import { type OpenedLink, type RecordContent, VaultFailure } from '../vault-worker/api.ts';
import { Languages } from './languages.tsx';

type Trouble = 'unreachable' | 'no_download' | 'view_over';

/** A copy is counted when it is there, before it is handed over. */
const count = () => vault.countShared();

function troubleOf(why: unknown): Trouble {
  const status = why instanceof VaultFailure ? why.failure.status : undefined;
  if (status === 403) return 'no_download';
  // What has ended is said at length by whoever shows this.
  return status === 401 || status === 410 ? 'view_over' : 'unreachable';
}

/** Draws anew now and then, so that what is left of the time is true. */
function useTick(every: number) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((before) => before + 1), every);
    return () => clearInterval(timer);
  }, [every]);
}

export function Open({ link, onNews }: { link: OpenedLink; onNews: (link: OpenedLink) => void }) {
  const { t } = useTranslation();
  const [content, setContent] = useState<RecordContent | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [taking, setTaking] = useState(false);
  const [looking, setLooking] = useState<'no' | 'yes' | 'nothing'>('no');
  useTick(30_000);
  const name = link.patient_name ?? link.document.patient?.name ?? t('viewer.title');
  useEffect(() => { document.title = `${name} · Chartkey`; }, [name]);

  const pdf = usePdf(count);
  const print = () => pdf.begin('chartkey-record.pdf', {
    document: link.document,
    notice: {
      patient_name: link.patient_name ?? '', recipient: link.recipient_name ?? '', sender: link.sender ?? link.other?.label ?? link.other?.host ?? '', share_id: link.share,
      purpose: link.purpose, message: link.message, generated_at: new Date().toISOString(), expires_at: link.expires_at,
    },
  });
  const read = (id: string) => {
    setTrouble(null);
    void vault.readShared(id).then(setContent, () => setTrouble('unreachable'));
  };
  const download = async () => {
    setTrouble(null);
    setTaking(true);
    try {
      save('chartkey-record.json', await vault.exportShared(), 'application/fhir+json');
    } catch (why) {
      setTrouble(troubleOf(why));
    }
    setTaking(false);
  };
  const look = async () => {
    setTrouble(null);
    setLooking('yes');
    try {
      const news = await vault.refreshShared();
      if (news) onNews(news);
      setLooking(news ? 'no' : 'nothing');
    } catch (why) {
      setLooking('no');
      // What has ended is noticed, and said, by whoever shows this.
      setTrouble(why instanceof VaultFailure && why.failure.status === 401 ? 'view_over' : 'unreachable');
    }
  };
  const { other } = link;
  const about = [
    link.recipient_name ? t('viewer.for', { name: link.recipient_name }) : '',
    other ? t('viewer.kept_at', { host: other.host }) : '',
    link.expires_at ? t('viewer.until', { when: moment(link.expires_at) }) : '',
    link.types.map((type) => t(`types.${type}`)).join(', '),
  ].filter(Boolean).join(' · ');
  return (
    <div className="viewer-open">
      <header className="viewer-bar">
        <span className="brand"><Mark /> Chartkey</span>
        <div className="row no-print">
          {link.expires_at ? <Tag tone="good"><IconShieldLock size={15} aria-hidden /> {t('viewer.closes', { when: away(link.expires_at) })}</Tag> : null}
          <Languages />
          {other ? null : <Button size="compact-md" variant="default" loading={looking === 'yes'} leftSection={<IconRefresh size={17} />} onClick={() => void look()}>{t('viewer.look_again')}</Button>}
          <Button size="compact-md" variant="default" leftSection={<IconPrinter size={17} />} onClick={() => window.print()}>{t('viewer.print')}</Button>
          {link.may_download ? <Button size="compact-md" variant="default" loading={taking} leftSection={<IconDownload size={17} />} onClick={() => void download()}>{t('viewer.download')}</Button> : null}
          {link.may_download ? <PdfButton pdf={pdf} size="compact-md" onClick={print} /> : null}
        </div>
      </header>
      <main className="page">
        <div className="head"><div className="grow">
          <h1><bdi>{name}</bdi></h1>
          <p>{about}</p>
        </div></div>
        <div className="stack">
          {link.message ? <div className="note"><p style={{ whiteSpace: 'pre-wrap' }}><b>{t('viewer.message')}:</b> <bdi>{link.message}</bdi></p></div> : null}
          <div role="status">{looking === 'nothing' ? <Note><p>{t('viewer.no_news')}</p></Note> : null}</div>
          <PdfState pdf={pdf} said={(why) => (why instanceof VaultFailure && !/^(press|pdf)\./.test(why.code) ? t(`viewer.${troubleOf(why)}`) : null)} />
          {trouble ? <Note tone="bad"><p>{t(`viewer.${trouble}`)}</p></Note> : null}
          {other && other.cards > 0 ? <Note tone="warn"><p>{t('viewer.cards', { count: other.cards })}</p></Note> : null}
          {other && other.unread > 0 ? <Note tone="warn"><p>{t('viewer.unread', { count: other.unread })}</p></Note> : null}
          {link.headers.length === 0 ? <Note><p>{t('viewer.nothing')}</p></Note> : null}
          <Clinical document={link.document} onRecord={read} />
          <p className="small muted">{t('viewer.read_only')} {t('viewer.sealed')}</p>
        </div>
      </main>
      <Modal opened={content !== null} onClose={() => setContent(null)} size="xl" title={<span className="modal-title">{content?.header.title ?? ''}</span>} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {content ? <Content content={content} /> : null}
      </Modal>
    </div>
  );
}
