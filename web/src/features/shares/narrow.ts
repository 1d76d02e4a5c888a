/** Giving less than before: never more, and never longer. Pure. */
import type { Access } from '../../lib/sharing.ts';
import type { Kind, RecordType } from '../../vault-worker/api.ts';

export interface Less { types: RecordType[]; write_types: RecordType[]; kinds: Kind[]; until: string; may_download: boolean }

const local = (date: Date) => [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0')).join('-');

/** The day on which an access ends, where the reader is. */
export const lastDay = (share: Pick<Access, 'expires_at'>) => local(new Date(share.expires_at));
export const today = (now: number) => local(new Date(now));

/** What the form begins with: the access as it is. */
export const asItIs = (share: Access): Less => ({ types: share.types, write_types: share.write_types, kinds: share.kinds, until: lastDay(share), may_download: share.may_download });

const within = <T,>(some: readonly T[], all: readonly T[]) => some.every((one) => all.includes(one));

/** What is wrong with it: nothing left, nothing taken away, or a day that is none of those left. */
export function problem(less: Less, share: Access, now: number): 'nothing' | 'same' | 'until' | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(less.until) || less.until < today(now) || less.until > lastDay(share)) return 'until';
  if (less.types.length + less.write_types.length === 0) return 'nothing';
  const inside = within(less.types, share.types) && within(less.write_types, share.write_types) && within(less.kinds, share.kinds) && (share.may_download || !less.may_download);
  if (!inside) return 'same';
  const smaller = less.types.length < share.types.length || less.write_types.length < share.write_types.length || less.kinds.length < share.kinds.length || less.may_download !== share.may_download || less.until < lastDay(share);
  return smaller ? null : 'same';
}

/** The moment it ends: with the day that was chosen, never after the access that it replaces. */
export const endOf = (less: Less, share: Pick<Access, 'expires_at'>) =>
  new Date(Math.min(new Date(`${less.until}T23:59:59`).getTime(), new Date(share.expires_at).getTime())).toISOString();
