import { expect, test } from 'vitest';
import type { Access } from '../../lib/sharing.ts';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { again } from './again.ts';

const share: Access = {
  id: 's', kind: 'link', patient: 'p', name: 'Dr. Lee', email: 'lee@example.org', provider: null, types: ['conditions'], status: 'EXPIRED',
  created_at: '2026-01-01T00:00:00Z', valid_from: null, expires_at: '2026-01-31T00:00:00Z', ended_at: null, opened: 2, downloads: 0, last_opened: null,
  may_download: true, may_write: false, write_types: [], single: false, kinds: ['hiv'], records: null, needs_passcode: true, last_downloaded: null,
};
const records = [{ id: 'one' }, { id: 'two' }] as RecordHeader[];

test('sharing again begins with the same terms for the same length', () => {
  expect(again(share, 'See you', records, 0)).toMatchObject({
    way: 'link', recipients: [{ name: 'Dr. Lee', email: 'lee@example.org' }], scope: 'types', recordTypes: ['conditions'], includeSensitive: ['hiv'],
    expiresInDays: 30, allowDownload: true, message: 'See you',
  });
  expect(again(share, null, records, 0)).not.toHaveProperty('passcode');
});

test('single records that are gone since are not shared again', () => {
  expect(again({ ...share, records: ['two', 'gone'] }, null, records, 0)).toMatchObject({ scope: 'records', recordIds: ['two'] });
});
