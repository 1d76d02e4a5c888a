/** What they may see: whole types, a range of dates of them, or single records; sensitive ones by a choice of their own. */
import { Checkbox, SegmentedControl, Switch, TextInput } from '@mantine/core';
import { IconSearch, IconShieldExclamation } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { entries, find } from '../../lib/find.ts';
import { clinicalDate, count } from '../../lib/format.ts';
import type { RecordHeader, RecordType } from '../../vault-worker/api.ts';
import { seen, sensitiveOf, undated } from './choose.ts';
import { Part } from './part.tsx';
import type { AvailableType, Set, ShareData } from './record-sharing.tsx';

const PRESETS: Record<'dietician' | 'specialist' | 'emergency', { types: RecordType[]; days: number; download: boolean }> = {
  dietician: { types: ['conditions', 'allergies', 'prescriptions', 'lab-results', 'vitals', 'diet', 'care-plans'], days: 90, download: false },
  specialist: { types: ['conditions', 'allergies', 'prescriptions', 'lab-results', 'vitals', 'procedures', 'imaging', 'documents', 'encounters', 'vaccines'], days: 30, download: true },
  emergency: { types: ['conditions', 'allergies', 'prescriptions', 'vaccines', 'procedures'], days: 365, download: false },
};
/** Records that are offered for picking at a time; the search narrows them. */
const SHOWN = 60;

interface Props { data: ShareData; set: Set; problem: string | null; types: AvailableType[]; records: RecordHeader[] }

export function What({ data, set, problem, types, records }: Props) {
  const { t } = useTranslation();
  const kinds = useMemo(() => sensitiveOf(records, data), [records, data]);
  return (
    <Part title={t('shares.what')}>
      <SegmentedControl
        fullWidth value={data.scope} onChange={(scope) => set({ scope: scope as ShareData['scope'] })} aria-label={t('shares.scope')}
        data={[{ value: 'types', label: t('shares.scope_types') }, { value: 'records', label: t('shares.scope_records') }]}
      />
      {data.scope === 'types' ? <Types data={data} set={set} types={types} records={records} problem={problem} /> : <Pick data={data} set={set} records={records} />}
      {problem ? <p className="small" data-problem tabIndex={-1} style={{ color: 'var(--bad-ink)', margin: 0 }}>{problem}</p> : null}
      {kinds.size > 0 ? (
        <div className="note warn">
          <IconShieldExclamation size={22} aria-hidden />
          <div className="grow stack-s">
            <div><b>{t('shares.sensitive')}</b><div className="small">{t('shares.sensitive_more')}</div></div>
            {[...kinds].map(([kind, many]) => (
              <Checkbox
                key={kind} label={`${t(`kinds.${kind}`)} (${count(many)})`} checked={data.includeSensitive.includes(kind)}
                onChange={(event) => set({ includeSensitive: event.currentTarget.checked ? [...data.includeSensitive, kind] : data.includeSensitive.filter((one) => one !== kind) })}
              />
            ))}
          </div>
        </div>
      ) : null}
    </Part>
  );
}

function Types({ data, set, types, records, problem }: Props) {
  const { t } = useTranslation();
  const choose = (wanted: RecordType[], more: Partial<ShareData> = {}) => set({ recordTypes: types.map((one) => one.id).filter((one) => wanted.includes(one)), ...more });
  const [ranged, setRanged] = useState(data.from !== null || data.to !== null);
  const left = undated(records, data);
  return (
    <>
      <div className="chips" role="group" aria-label={t('shares.preset')}>
        {(Object.keys(PRESETS) as (keyof typeof PRESETS)[]).map((name) => (
          <button type="button" key={name} className="chip" onClick={() => choose(PRESETS[name].types, { expiresInDays: PRESETS[name].days, allowDownload: PRESETS[name].download })}>{t(`shares.preset_${name}`)}</button>
        ))}
        <button type="button" className="chip" onClick={() => choose(types.map((one) => one.id))}>{t('shares.preset_everything')}</button>
        {data.recordTypes.length > 0 ? <button type="button" className="chip" onClick={() => choose([])}>{t('shares.preset_nothing')}</button> : null}
      </div>
      <Checkbox.Group value={data.recordTypes} onChange={(value) => choose(value as RecordType[])} error={problem !== null} aria-label={t('shares.what')}>
        <div className="type-grid">
          {types.map((one) => <Checkbox key={one.id} value={one.id} label={<>{one.label} <span className="muted num">{count(one.count)}</span></>} />)}
        </div>
      </Checkbox.Group>
      <Switch
        label={t('shares.dates')} description={t('shares.dates_more')} checked={ranged}
        onChange={(event) => {
          setRanged(event.currentTarget.checked);
          if (!event.currentTarget.checked) set({ from: null, to: null });
        }}
      />
      {ranged ? (
        <div className="stack-s">
          <div className="cols" style={{ gap: 12, gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 170px), 1fr))', maxWidth: 420 }}>
            <TextInput type="date" label={t('shares.dates_from')} value={data.from ?? ''} max={data.to ?? undefined} onChange={(event) => set({ from: event.currentTarget.value || null })} />
            <TextInput type="date" label={t('shares.dates_to')} value={data.to ?? ''} min={data.from ?? undefined} onChange={(event) => set({ to: event.currentTarget.value || null })} />
          </div>
          {data.from || data.to ? (
            <p className="small muted num" style={{ margin: 0 }}>
              {t('shares.entries', { count: seen(records, data).length, shown: count(seen(records, data).length) })}{left > 0 ? ` · ${t('shares.dates_undated', { count: left, shown: count(left) })}` : ''}
            </p>
          ) : null}
        </div>
      ) : <Switch label={t('shares.future')} description={t('shares.future_more')} checked={data.includeFuture} onChange={(event) => set({ includeFuture: event.currentTarget.checked })} />}
    </>
  );
}

function Pick({ data, set, records }: { data: ShareData; set: Set; records: RecordHeader[] }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const all = useMemo(() => entries(records), [records]);
  const open = all.filter(({ header }) => header.kinds.every((kind) => data.includeSensitive.includes(kind)));
  const found = find(open, text, new Set());
  const picked = new Set(data.recordIds);
  const toggle = (id: string, on: boolean) => set({ recordIds: on ? [...data.recordIds, id] : data.recordIds.filter((one) => one !== id) });
  const first = found.slice(0, SHOWN);
  const rest = found.length - first.length;
  return (
    <>
      <p className="small muted" style={{ margin: 0 }}>{t('shares.pick_more')}</p>
      <TextInput type="search" aria-label={t('shares.pick_search')} placeholder={t('shares.pick_search')} leftSection={<IconSearch size={18} aria-hidden />} value={text} onChange={(event) => setText(event.currentTarget.value)} />
      <div className="pick boxed" role="group" aria-label={t('shares.scope_records')}>
        {first.map(({ header }) => (
          <Checkbox
            key={header.id} className="pick-line" checked={picked.has(header.id)} onChange={(event) => toggle(header.id, event.currentTarget.checked)}
            label={<><bdi>{header.title}</bdi> <span className="muted small">{[t(`types.${header.record_type}`), clinicalDate(header.date), header.value].filter(Boolean).join(' · ')}</span></>}
          />
        ))}
        {found.length === 0 ? <p className="small muted" style={{ margin: 0, padding: 14 }}>{t('shares.pick_none')}</p> : null}
        {rest > 0 ? <p className="small muted" style={{ margin: 0, padding: '10px 14px' }}>{t('shares.pick_rest', { count: rest, shown: count(rest) })}</p> : null}
      </div>
      <div className="between small">
        <span className="muted num" aria-live="polite">{t('shares.picked', { count: data.recordIds.length, shown: count(data.recordIds.length) })}</span>
        {data.recordIds.length > 0 ? <button type="button" className="link-button small" onClick={() => set({ recordIds: [] })}>{t('shares.pick_clear')}</button> : null}
      </div>
    </>
  );
}
