/**
 * SMART Health Links of other systems (STU1), opened. The page asked whoever
 * keeps them; here, where the whole core is, nothing is asked of anybody.
 */
import { type ClinicalDocument, type Kind, type RecordContent, type RecordHeader, type RecordType, VaultFailure } from './api.ts';
import { failed, parse } from './carrier.ts';
import init, { HealthLink } from './pkg/chartkey_wasm.js';
import address from './pkg/chartkey_wasm_bg.wasm?url';
import { decode } from '../lib/bounded.ts';
import type { Opened } from './visit.ts';

/** Bytes that a health card inflates to; real ones have a few thousand. */
const MAX_CARD = 4 << 20;

interface About { url: string; label: string | null; exp: number | null }
interface Item { id: string; record_type: RecordType; kinds: Kind[]; resource_type: string; title: string; date: string | null; size: number }

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

/** The FHIR inside a health card: a JWS whose payload is deflated JSON. Its signature is not checked here. */
async function ofCard(jws: string): Promise<string | null> {
  const [header, payload] = jws.split('.');
  if (!header || !payload) return null;
  const said = parse<{ zip?: string }>(new TextDecoder().decode(bytesOf(header)));
  const stream = new Blob([bytesOf(payload)]).stream();
  const open = said.zip === 'DEF' ? stream.pipeThrough(new DecompressionStream('deflate-raw')) : stream;
  const card = parse<{ vc?: { credentialSubject?: { fhirBundle?: unknown } } }>(await decode(open.getReader(), MAX_CARD));
  const bundle = card.vc?.credentialSubject?.fhirBundle;
  return bundle ? JSON.stringify(bundle) : null;
}

let loaded: Promise<unknown> | null = null;

export async function openHealthLink(text: string, files: string[]): Promise<Opened> {
  loaded ??= init({ module_or_path: address });
  await loaded;
  try {
    return await open(text, files);
  } catch (why) {
    throw failed(why, null);
  }
}

async function open(text: string, files: string[]): Promise<Opened> {
  const link = HealthLink.parse(text);
  const about = parse<About>(link.about());
  let [unread, cards] = [0, 0];
  for (const jwe of files) {
    const file = parse<{ content_type: string; taken: number; text: string | null }>(link.takeFile(jwe));
    if (file.text === null) continue;
    if (!file.content_type.startsWith('application/smart-health-card')) {
      unread += 1;
      continue;
    }
    for (const jws of parse<{ verifiableCredential?: string[] }>(file.text).verifiableCredential ?? []) {
      const bundle = await ofCard(jws);
      if (bundle) link.takeFhir(bundle);
      cards += 1;
    }
  }
  const headers = parse<Item[]>(link.items()).map((item): RecordHeader => ({
    ...item, patient: '', version: 1, supporting: false, status: null, value: null, codes: [], body: 'resource', content_type: 'application/fhir+json',
    file_name: null, source: about.label ?? new URL(about.url).host, author: null, author_name: null, signed: false, created_at: '', updated_at: '',
  }));
  const document = parse<ClinicalDocument>(link.document());
  return {
    opened: {
      share: null, purpose: null,
      patient_name: document.patient?.name ?? null, sender: null, recipient_name: null, message: null,
      types: [...new Set(headers.map((one) => one.record_type))], expires_at: about.exp === null ? null : new Date(about.exp * 1000).toISOString(),
      // Whoever opened it holds its key, and so may keep what it opens.
      may_download: true, headers, document, other: { host: new URL(about.url).host, label: about.label, unread, cards },
    },
    read: async (record): Promise<RecordContent> => {
      const header = headers.find((one) => one.id === record);
      if (!header) throw new VaultFailure({ code: 'vault.no_key' });
      return { header, text: link.resource(record), bytes: null };
    },
    exportBundle: async () => link.exportBundle(),
    // Whoever keeps it counts by itself, and is not asked.
    count: async () => undefined,
    // Whoever keeps it was asked once, and is asked again only by opening it again.
    refresh: async () => null,
  };
}
