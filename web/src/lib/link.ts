/** What the address of a shared record says. */
export interface LinkAddress { token: string; key: string | null; shlink: string | null }

/**
 * Reads token and key. Mail programs turn `#` into `%23`, so that the key
 * stands in the path; it is understood there too.
 */
export function readAddress(pathname: string, hash: string): LinkAddress {
  const rest = decodeOnce(pathname.split('/records/shared/')[1] ?? '');
  const [token = '', inPath] = rest.split('#', 2);
  const fragment = hash.startsWith('#') ? hash.slice(1) : '';
  const text = fragment || inPath || '';
  if (text.startsWith('shlink:/')) return { token, key: null, shlink: text };
  return { token, key: /^[\w-]{43}$/.test(text) ? text : null, shlink: null };
}

function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
