/** Everything of one type, as the clinical document tells it. */
import { Button } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMe, useWhy } from '../../lib/hooks.ts';
import { useNamedSources } from '../../lib/sources.ts';
import { vault } from '../../lib/vault.ts';
import { SectionView } from '../../ui/clinical.tsx';
import { Empty, Head, Note, Waiting } from '../../ui/pieces.tsx';
import { RECORD_TYPES } from '../../vault-worker/api.ts';

export function ByType() {
  const { t } = useTranslation();
  const why = useWhy();
  const navigate = useNavigate();
  const { patient } = useMe();
  const { type: word } = useParams({ strict: false });
  const type = RECORD_TYPES.find((one) => one === word) ?? 'other';
  const document = useQuery({ queryKey: ['vault', patient, 'clinical', type], queryFn: () => vault.clinical(patient, [type]) });
  const named = useNamedSources(patient, document.data);
  const back = <Button component={Link} to="/record" variant="default" leftSection={<IconArrowLeft size={18} />}>{t('records.title')}</Button>;
  return (
    <>
      <Head title={t(`types.${type}`)} actions={back} />
      {document.error ? <Note tone="bad"><p>{why(document.error)}</p></Note> : !named ? <Waiting /> : (
        <div className="stack">
          {named.sections.length === 0 ? <section className="card"><Empty title={t('records.found', { count: 0, shown: '0' })} /></section> : null}
          {named.sections.map((section) => (
            <SectionView key={section.key} section={section} document={named} onRecord={(id) => void navigate({ to: '/record/item/$id', params: { id } })} />
          ))}
        </div>
      )}
    </>
  );
}
