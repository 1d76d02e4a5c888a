/** Where files are dropped or chosen. */
import { IconCloudUpload } from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

export function Drop({ onFiles, text, choose, more, accept, single = false }: {
  onFiles: (files: Iterable<File>) => void; text?: string; choose?: string; more?: string; accept?: string; single?: boolean;
}) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    // Dropping is a second way; the button inside is the first.
    <div
      className="drop" data-over={over || undefined}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); onFiles(event.dataTransfer.files); }}
    >
      <IconCloudUpload size={42} stroke={1.2} color="var(--accent)" aria-hidden />
      <p style={{ margin: '8px 0 4px', fontWeight: 550 }}>
        {text ?? t('records.drop')} <button type="button" className="link-button" onClick={() => input.current?.click()}>{choose ?? t('records.drop_choose')}</button>
      </p>
      <p className="small muted" style={{ margin: 0 }}>{more ?? t('records.drop_more')}</p>
      <input
        ref={input} type="file" multiple={!single} {...(accept ? { accept } : {})} className="vh" aria-label={choose ?? t('records.drop_choose')} tabIndex={-1}
        onChange={(event) => { onFiles(event.currentTarget.files ?? []); event.currentTarget.value = ''; }}
      />
    </div>
  );
}
