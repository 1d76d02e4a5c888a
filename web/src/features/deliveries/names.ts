/** What to call a document in other systems: `YYYY-MM-DD_type_source_shortid.ext`, as the server calls those that it sends. */
import type { RecordContent } from '../../vault-worker/api.ts';

const EXTENSIONS: Record<string, string> = {
  'application/pdf': 'pdf', 'image/jpeg': 'jpg', 'image/png': 'png', 'text/plain': 'txt', 'text/html': 'html', 'application/fhir+json': 'json', 'application/json': 'json',
};

export function fileName({ header }: Pick<RecordContent, 'header'>): string {
  const date = /^\d{4}-\d{2}-\d{2}/.exec(header.date ?? '')?.[0] ?? 'undated';
  const source = header.source === 'upload' ? 'patient' : header.source === 'provider' ? 'practice' : 'provider';
  const short = [...header.id.replace(/[^a-z0-9]/gi, '')].reverse().slice(0, 8).join('');
  const kind = header.content_type.split(';')[0]?.trim() ?? '';
  const extension = EXTENSIONS[kind] ?? (kind.includes('xml') ? 'xml' : 'bin');
  return `${date}_${header.record_type}_${source}_${short}.${extension}`;
}
