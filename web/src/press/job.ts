/** What the press is asked for, and what it tells meanwhile. */
import type { ClinicalDocument } from '../vault-worker/api.ts';

/** What stands on a document besides the record. Times are ISO 8601. */
export interface Notice {
  patient_name: string;
  recipient: string;
  sender: string;
  share_id: string | null;
  purpose: string | null;
  message: string | null;
  generated_at: string;
  expires_at: string | null;
}

/** A recovery kit, in the words of its owner. */
export interface KitSheet {
  lang: string;
  title: string;
  /** Label and text of each line. */
  facts: [string, string][];
  code: string;
  about: string[];
  warning: string;
  made: string;
}

export type Job = { document: ClinicalDocument; notice: Notice } | { kit: KitSheet };

/** Fetching what sets the pages, of it the part that came; then setting them. */
export type Progress = { stage: 'fetching'; share: number } | { stage: 'setting' };

export type Told = Progress | { stage: 'done'; pdf: ArrayBuffer } | { stage: 'failed'; code: string };
