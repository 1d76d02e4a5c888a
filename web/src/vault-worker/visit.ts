/**
 * A link as its reader opens it, with the small core that knows nothing else.
 * Links of other systems need the whole core, which is fetched only then.
 */
import type { ClinicalDocument, OpenedLink, RecordContent, RecordHeader, RecordType, VisitApi } from './api.ts';
import { VaultFailure } from './api.ts';
import { Carrier, parse } from './carrier.ts';
import { Http } from './http.ts';
import init, { Visit } from './pkg-visit/chartkey_wasm.js';
import address from './pkg-visit/chartkey_wasm_bg.wasm?url';

/** A link that its reader opened. */
export interface Opened {
  opened: OpenedLink;
  read(record: string): Promise<RecordContent>;
  exportBundle(): Promise<string>;
  count(): Promise<void>;
  /** What it tells by now, where anything changed since. */
  refresh(): Promise<OpenedLink | null>;
}

let loaded: Promise<unknown> | null = null;

async function openVisit(http: Http, token: string, key: string, reader: string, passcode: string | null): Promise<Opened> {
  loaded ??= init({ module_or_path: address });
  await loaded;
  const carrier = new Carrier(http, false);
  const tell = async (visit: Visit): Promise<OpenedLink> => {
    const said = parse<{ share: string; patient_name: string; sender: string; recipient: string; message?: string; purpose?: string; types: RecordType[]; expires_at: string; may_download: boolean; headers: RecordHeader[] }>(visit.view());
    return {
      share: said.share, purpose: said.purpose ?? null,
      patient_name: said.patient_name || null, sender: said.sender || null, recipient_name: said.recipient || null, message: said.message ?? null,
      types: said.types, expires_at: said.expires_at, may_download: said.may_download, headers: said.headers, document: parse<ClinicalDocument>(await visit.document()), other: null,
    };
  };
  return carrier.run(async () => {
    const url = `${self.location.origin}/records/shared/${token}#${key}`;
    const visit = await Visit.open(carrier.carry, url, reader || undefined, passcode ?? undefined);
    return {
      opened: await tell(visit),
      refresh: () => carrier.run(async () => ((await visit.refresh()) ? tell(visit) : null)),
      read: (record) => carrier.run(async () => {
        const read = parse<{ header: RecordHeader; text: string | null }>(await visit.read(record));
        const bytes = read.header.body === 'file' ? await visit.readContent(record) : null;
        return { header: read.header, text: read.text, bytes: bytes ? (bytes.slice().buffer as ArrayBuffer) : null };
      }),
      exportBundle: () => carrier.run(async () => {
        // Counted first: a copy that is refused is not made.
        await visit.countDownload();
        return visit.exportBundle();
      }),
      count: () => carrier.run(() => visit.countDownload()),
    };
  });
}

export function makeVisitor(): VisitApi {
  const http = new Http(() => undefined);
  let visitor: Opened | null = null;
  const opened = () => {
    if (!visitor) throw new VaultFailure({ code: 'vault.locked' });
    return visitor;
  };
  return {
    accessToken: async () => null,
    async openLink(token, key, reader, passcode) {
      visitor = await openVisit(http, token, key, reader, passcode);
      return visitor.opened;
    },
    async openHealthLink(text, files) {
      const { openHealthLink } = await import('./health-link.ts');
      visitor = await openHealthLink(text, files);
      return visitor.opened;
    },
    async closeLink() {
      visitor = null;
    },
    readShared: async (record) => opened().read(record),
    exportShared: async () => opened().exportBundle(),
    countShared: async () => opened().count(),
    refreshShared: async () => opened().refresh(),
  };
}
