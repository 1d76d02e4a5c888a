/** What a password must be before it is tried; the server keeps the list of common ones. */
export const MIN_LENGTH = 15;

export function passwordProblem(password: string, email: string): 'short' | 'plain' | null {
  const text = password.normalize('NFKC');
  if ([...text].length < MIN_LENGTH) return 'short';
  const local = email.split('@')[0]?.toLowerCase() ?? '';
  if (new Set(text).size < 5 || (local.length > 3 && text.toLowerCase() === local)) return 'plain';
  return null;
}
