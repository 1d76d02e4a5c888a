/** What the sharing form begins with when it does not begin empty. Pure. */
import type { Access, AccessRequest } from '../../lib/sharing.ts';
import type { RecordHeader } from '../../vault-worker/api.ts';
import type { ShareData } from './record-sharing.tsx';

const DAY = 86_400_000;
const days = (milliseconds: number) => Math.min(365, Math.max(1, Math.round(milliseconds / DAY)));

/** An earlier share, to be made anew with the same terms. Passcodes are never known again. */
export function again(share: Access, message: string | null, records: RecordHeader[], now: number): Partial<ShareData> {
  const kept = new Set(records.map((one) => one.id));
  const began = new Date(share.valid_from ?? share.created_at).getTime();
  const length = new Date(share.expires_at).getTime() - (Number.isNaN(began) ? now : began);
  return {
    way: share.kind,
    recipients: [{ name: share.kind === 'link' ? share.name : '', email: share.email ?? '' }],
    provider: share.kind === 'account' && share.provider ? { id: share.provider, name: share.name, type: '', organization: null } : null,
    scope: share.records ? 'records' : 'types',
    recordTypes: share.types,
    recordIds: (share.records ?? []).filter((id) => kept.has(id)),
    includeSensitive: share.kinds,
    expiresInDays: days(length),
    allowDownload: share.may_download,
    message: message ?? '',
  };
}

/** What a provider asked for, to be allowed as it is or in part. */
export function asAsked(request: AccessRequest, records: RecordHeader[], now: number): Partial<ShareData> {
  const held = new Set(records.map((one) => one.record_type));
  return {
    way: 'account',
    provider: { id: request.provider_id, name: request.provider_name, type: request.provider_type ?? '', organization: request.provider_organization },
    recordTypes: request.record_types.filter((type) => held.has(type)),
    expiresInDays: request.expiry_date ? days(new Date(request.expiry_date).getTime() - now) : 30,
  };
}
