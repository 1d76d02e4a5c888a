/**
 * The files of a SMART Health Link of another system (STU1), fetched sealed
 * from wherever they are kept. Whoever keeps them learns that the link was
 * opened, by which name, from which address; neither key nor content.
 */
import { VaultFailure } from '../vault-worker/api.ts';
import { decode } from './bounded.ts';
import { type HealthLinkAddress, isFetchable } from './link.ts';

/** Files of one link. */
const MAX_FILES = 64;
/** Bytes of one answer. */
const MAX_ANSWER = 64 << 20;
/** Longest file that comes inside the manifest, in characters. */
const MAX_EMBEDDED = 1_000_000;

interface ManifestFile { location?: unknown; embedded?: unknown }

function fileAddress(text: string, base: string): string {
  const url = URL.canParse(text, base) ? new URL(text, base).href : '';
  if (!isFetchable(url)) throw new VaultFailure({ code: 'shl.malformed' });
  return url;
}

/** A bounded answer as text. Errors are told apart as the standard has them. */
async function ask(url: string, init: RequestInit): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, mode: 'cors', credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer' });
  } catch {
    throw new VaultFailure({ code: 'shl.unreachable' });
  }
  if (response.status === 404 || response.status === 410) throw new VaultFailure({ code: 'shl.ended', status: 404 });
  if (response.status === 429) throw new VaultFailure({ code: 'shl.slow_down', status: 429 });
  const reader = response.body?.getReader();
  const text = reader ? await decode(reader, MAX_ANSWER) : '';
  if (response.status === 401) {
    const left = /"remainingAttempts"\s*:\s*(\d{1,6})/.exec(text)?.[1];
    throw new VaultFailure({ code: 'shl.passcode', status: 401, extra: left === undefined ? {} : { remainingAttempts: Number(left) } });
  }
  if (!response.ok) throw new VaultFailure({ code: 'shl.refused', status: response.status });
  return text;
}

/** The encrypted files of a link, each as it came. */
export async function fetchFiles(link: HealthLinkAddress, reader: string, passcode: string | null): Promise<string[]> {
  if (link.single_file) {
    const asked = new URL(link.url);
    asked.searchParams.set('recipient', reader);
    return [await ask(asked.href, { method: 'GET' })];
  }
  const body = JSON.stringify({ recipient: reader, ...(passcode ? { passcode } : {}), embeddedLengthMax: MAX_EMBEDDED });
  const manifest = await ask(link.url, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json' }, body });
  const files: string[] = [];
  for (const file of filesOf(manifest)) {
    if (typeof file.embedded === 'string') files.push(file.embedded);
    else if (typeof file.location === 'string') files.push(await ask(fileAddress(file.location, link.url), { method: 'GET' }));
  }
  return files;
}

function filesOf(manifest: string): ManifestFile[] {
  let files: unknown;
  try {
    files = (JSON.parse(manifest) as { files?: unknown }).files ?? [];
  } catch {
    files = null;
  }
  if (!Array.isArray(files) || files.length > MAX_FILES) throw new VaultFailure({ code: 'shl.malformed' });
  return files.filter((one): one is ManifestFile => typeof one === 'object' && one !== null);
}
