/** Which screen is whose first. */
import type { Account } from '../vault-worker/api.ts';

/** Whether an account's profession opens charts. */
export const hasCaseload = (account: Pick<Account, 'kind' | 'type'>) => account.kind === 'provider' && /^diet/i.test(account.type?.trim() ?? '');

export function firstScreen(account: Pick<Account, 'kind' | 'type' | 'verification'>) {
  if (hasCaseload(account) && account.verification === 'verified') return '/caseload' as const;
  return ({ patient: '/home', provider: '/patients', admin: '/admin' } as const)[account.kind];
}
