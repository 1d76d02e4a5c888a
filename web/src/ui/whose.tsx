/** Whose record is shown, for whoever owns several: their own, a chart that they claimed, a child's. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { listClaims } from '../lib/claims.ts';
import { useVault, useWhy } from '../lib/hooks.ts';
import { vault } from '../lib/vault.ts';
import { Note } from './pieces.tsx';

export function Whose() {
  const { t } = useTranslation();
  const why = useWhy();
  const state = useVault();
  const several = state?.account?.kind === 'patient' && state.patients.length > 1;
  const claims = useQuery({ queryKey: ['claims'], queryFn: listClaims, enabled: several, staleTime: 60_000 });
  const choose = useMutation({ mutationFn: (patient: string) => vault.choosePatient(patient) });
  if (!several) return null;
  // A claimed chart often has the name of its owner's own record.
  const from = new Map((claims.data ?? []).filter((one) => one.state === 'done').map((one) => [one.patient_id, one.practitioner_name]));
  return (
    <div className="whose no-print">
      <label>
        <span>{t('whose.label')}</span>
        <select className="plain-select" value={state.patient ?? ''} disabled={choose.isPending} onChange={(event) => choose.mutate(event.currentTarget.value)}>
          {state.patients.map((one) => <option key={one.id} value={one.id}>{from.has(one.id) ? t('whose.from', { name: one.name, practitioner: from.get(one.id) }) : one.name}</option>)}
        </select>
      </label>
      {choose.error ? <Note tone="bad"><p>{why(choose.error)}</p></Note> : null}
    </div>
  );
}
