/** Record types to choose from, each with what belongs beside it. */
import { Checkbox } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Kind, RecordType } from '../vault-worker/api.ts';

const without = <T,>(all: readonly T[], one: T, on: boolean): T[] => (on ? [...all.filter((other) => other !== one), one] : all.filter((other) => other !== one));

export function ChooseTypes({ legend, more, types, chosen, note, problem, onChange }: {
  legend: string; more?: string; types: readonly RecordType[]; chosen: readonly RecordType[]; note?: (type: RecordType) => string; problem?: string | null; onChange: (types: RecordType[]) => void;
}) {
  const { t } = useTranslation();
  return (
    <fieldset className="part">
      <legend>{legend}</legend>
      {more ? <p className="small muted" style={{ margin: 0 }}>{more}</p> : null}
      <div className="type-grid">
        {types.map((type) => (
          <Checkbox key={type} label={<>{t(`types.${type}`)}{note ? <span className="muted small num"> {note(type)}</span> : null}</>} checked={chosen.includes(type)} onChange={(event) => onChange(without(chosen, type, event.currentTarget.checked))} />
        ))}
      </div>
      {problem ? <p className="small urgent" role="alert" style={{ margin: 0 }}>{problem}</p> : null}
    </fieldset>
  );
}

export function ChooseKinds({ legend, more, kinds, chosen, onChange }: { legend: string; more: string; kinds: readonly Kind[]; chosen: readonly Kind[]; onChange: (kinds: Kind[]) => void }) {
  const { t } = useTranslation();
  return (
    <fieldset className="part">
      <legend>{legend}</legend>
      <p className="small muted" style={{ margin: 0 }}>{more}</p>
      <div className="type-grid">{kinds.map((kind) => <Checkbox key={kind} label={t(`kinds.${kind}`)} checked={chosen.includes(kind)} onChange={(event) => onChange(without(chosen, kind, event.currentTarget.checked))} />)}</div>
    </fieldset>
  );
}
