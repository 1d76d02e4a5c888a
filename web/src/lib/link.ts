/** What the address of a shared record says. */
export interface LinkAddress { token: string; key: string | null; other: HealthLinkAddress | null }

/** Where links of other systems are opened. No token has this form. */
export const OTHERS = '/records/shared/shl';

/** A link of another system, as far as it can be told before anything is asked of anybody. */
export interface HealthLinkAddress {
  /** The whole of it, for the worker. */
  text: string;
  /** Of the manifest, or of the single file. */
  url: string;
  single_file: boolean;
  /** Who keeps it. */
  host: string;
  label: string | null;
  needs_passcode: boolean;
  expires_at: string | null;
}

/**
 * Reads token and key. Mail programs turn `#` into `%23`, so that the key
 * stands in the path; it is understood there too. A SMART Health Link of our
 * own is the same link in other clothes, and opens as such.
 */
export function readAddress(pathname: string, hash: string, origin: string): LinkAddress {
  const rest = decodeOnce(pathname.split('/records/shared/')[1] ?? '');
  const [token = '', inPath] = rest.split('#', 2);
  const fragment = hash.startsWith('#') ? hash.slice(1) : '';
  const text = fragment || inPath || '';
  if (!text.includes('shlink:/')) return { token, key: isKey(text) ? text : null, other: null };
  const link = readHealthLink(decodeOnce(text));
  if (!link) return { token, key: null, other: null };
  const own = link.url.startsWith(`${origin}/shl/`) ? link.url.slice(origin.length + 5) : null;
  if (own !== null && isKey(own)) return { token: own, key: link.key, other: null };
  return { token, key: null, other: link.address };
}

/** Tokens and keys have the same form: 32 bytes as base64url. */
const isKey = (text: string) => /^[\w-]{43}$/.test(text);

const DEVELOPING = /^http:\/\/(localhost|127\.0\.0\.1)(:\d+)?\//;

/** Files lie where TLS is, or on this machine while developing. */
export const isFetchable = (url: string) => /^https:\/\/[^/]/.test(url) || (DEVELOPING.test(url) && DEVELOPING.test(`${globalThis.location?.origin}/`));

/** As far as is needed before it is opened; the core reads it again then. */
function readHealthLink(text: string): { url: string; key: string; address: HealthLinkAddress } | null {
  const encoded = (text.split('shlink:/')[1] ?? '').trim();
  if (encoded.length > 16_384) return null;
  try {
    const bytes = Uint8Array.from(atob(encoded.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const { url, key, label, flag, exp, v } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    if (typeof url !== 'string' || typeof key !== 'string' || !isKey(key)) return null;
    const flags = typeof flag === 'string' ? flag : '';
    const wrong = url.length > 128 || !isFetchable(url) || (flags.includes('P') && flags.includes('U')) || (typeof v === 'number' && v > 1);
    if (wrong) return null;
    return {
      url,
      key,
      address: {
        text: `shlink:/${encoded}`, url, host: new URL(url).host, single_file: flags.includes('U'), needs_passcode: flags.includes('P'),
        label: typeof label === 'string' ? label.slice(0, 80) : null,
        expires_at: typeof exp === 'number' && Math.abs(exp) < 1e11 ? new Date(exp * 1000).toISOString() : null,
      },
    };
  } catch {
    return null;
  }
}

function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
