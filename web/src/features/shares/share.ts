/** Carries out what was decided in the sharing dialog, for each who is to get something. */
import { vault } from '../../lib/vault.ts';
import type { AccessRequest } from '../../lib/sharing.ts';
import type { RecordHeader } from '../../vault-worker/api.ts';
import { cut } from './choose.ts';
import type { ShareData, Shared } from './record-sharing.tsx';

export async function share(patient: string, records: RecordHeader[], data: ShareData, request: AccessRequest | null): Promise<Shared[]> {
  const part = cut(records, data);
  const message = data.message.trim() || null;
  const terms = {
    ...part, valid_from: null, purpose: 'TREAT', may_download: data.allowDownload, message,
    expires_at: new Date(Date.now() + data.expiresInDays * 86_400_000).toISOString(),
  };
  if (data.way === 'account') {
    if (!data.provider) throw new Error('nobody was chosen');
    const grant = { ...terms, provider: data.provider.id, provider_name: data.provider.name, write_types: request?.write_types ?? [] };
    await (request ? vault.approveRequest(patient, request.id, grant) : vault.createGrant(patient, grant));
    return [{ name: data.provider.name, email: '', link: null, mailed: 'none', failure: null }];
  }
  const done: Shared[] = [];
  // One after the other: each is signed on top of the one before.
  for (const recipient of data.recipients) {
    const [name, email] = [recipient.name.trim(), recipient.email.trim()];
    const mailed = email ? data.sendEmail : 'none';
    try {
      const link = await vault.createLink(patient, { ...terms, recipient_name: name, recipient_email: email || null, passcode: data.passcode.trim() || null, send: mailed });
      done.push({ name, email, link, mailed, failure: null });
    } catch (failure) {
      // With one recipient nothing was made: the dialog says so and keeps all.
      if (data.recipients.length === 1) throw failure;
      done.push({ name, email, link: null, mailed: 'none', failure });
    }
  }
  return done;
}
