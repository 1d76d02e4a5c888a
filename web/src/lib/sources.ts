/** Where a record came from, as people call it: what a sync brought is told by its connection. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { ClinicalDocument } from '../vault-worker/api.ts';
import { listPatientConnections } from './practice.ts';

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The name of a source; `enabled` where any of them may be a connection. */
export function useSourceName(patient: string, enabled = true): (source: string) => string {
  const { t } = useTranslation();
  const found = useQuery({ queryKey: ['connections', 'of', patient], queryFn: () => listPatientConnections(patient), enabled: enabled && patient !== '', retry: false });
  return useMemo(() => {
    const names = new Map((found.data ?? []).map((one) => [one.connection_id, one.name]));
    return (source) => (ID.test(source) ? names.get(source) ?? t('records.source_connection') : source);
  }, [found.data, t]);
}

/** A document with its sources by name. */
export function useNamedSources(patient: string, document: ClinicalDocument | undefined): ClinicalDocument | undefined {
  const name = useSourceName(patient, document?.sources.some((one) => ID.test(one.name)) ?? false);
  return useMemo(() => document && { ...document, sources: document.sources.map((one) => ({ ...one, name: name(one.name) })) }, [document, name]);
}
