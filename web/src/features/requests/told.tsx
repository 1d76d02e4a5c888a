/** What a request asks for, in words; both sides read the same. */
import { useTranslation } from 'react-i18next';
import { day } from '../../lib/format.ts';
import type { AccessRequest } from '../../lib/sharing.ts';
import { Tag } from '../../ui/pieces.tsx';
import type { State } from './terms.ts';

export function StateTag({ state }: { state: State }) {
  const { t } = useTranslation();
  return <Tag tone={state === 'approved' ? 'good' : state === 'pending' ? 'warn' : state === 'denied' ? 'bad' : 'plain'}>{t(`requests.status_${state}`)}</Tag>;
}

export function About({ request }: { request: AccessRequest }) {
  const { t, i18n } = useTranslation();
  const purposes = i18n.getResource(i18n.language, 'translation', 'activity.purposes') as Record<string, string> | undefined;
  const types = (list: AccessRequest['record_types']) => list.map((type) => t(`types.${type}`)).join(', ');
  const rows: [string, string][] = [
    [t('requests.asks_read'), types(request.record_types)],
    [t('requests.asks_kinds'), request.include_sensitive.map((kind) => t(`kinds.${kind}`)).join(', ')],
    [t('requests.asks_write'), types(request.write_types)],
    [t('requests.asks_purpose'), purposes?.[request.purpose] ?? request.purpose],
    [t('requests.asks_until'), request.expiry_date ? day(request.expiry_date) : ''],
    [t('requests.message'), request.message ?? ''],
  ];
  return <dl className="facts tight">{rows.filter(([, value]) => value).map(([label, value]) => <div key={label}><dt>{label}</dt><dd>{value}</dd></div>)}</dl>;
}
