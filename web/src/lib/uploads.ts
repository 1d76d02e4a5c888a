/**
 * Files on their way into the record. Kept beside the screens, so that somebody
 * may look around meanwhile; a closed tab is warned of, and a failed file stays
 * at hand until it went well or was let go.
 */
import { useSyncExternalStore } from 'react';
import { onVault, vault } from './vault.ts';
import type { ImportReport } from '../vault-worker/api.ts';

export type Stage = 'waiting' | 'reading' | 'sealing' | 'sending' | 'done';

export interface Upload {
  id: string;
  patient: string;
  file: File;
  stage: Stage;
  /** From 0 to 1, within its stage. */
  part: number;
  /** Kept as a file even where it could be read. */
  whole: boolean;
  report: ImportReport | null;
  failure: unknown;
}

/** What carries a file into the record. */
type Carry = (upload: Upload) => Promise<ImportReport>;

export const isOver = (upload: Upload) => upload.report !== null || upload.failure !== null;

/** Lost when the tab closes: what is on its way, and what failed and was not tried again. */
export const isAtRisk = (upload: Upload) => upload.report === null;

export class Uploads {
  private all: readonly Upload[] = [];
  private running = false;
  private next = 1;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly carry: Carry) {}

  readonly list = () => this.all;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  add(patient: string, files: Iterable<File>) {
    const made = [...files].map((file): Upload => ({ id: `upload-${this.next++}`, patient, file, stage: 'waiting', part: 0, whole: false, report: null, failure: null }));
    this.keep([...this.all, ...made]);
    void this.run();
  }

  retry(id: string, whole = false) {
    this.change(id, { stage: 'waiting', part: 0, failure: null, whole });
    void this.run();
  }

  /** Lets go of one that has not begun or is over. */
  remove(id: string) {
    this.keep(this.all.filter((one) => one.id !== id || !(isOver(one) || one.stage === 'waiting')));
  }

  clearDone() {
    this.keep(this.all.filter((one) => one.report === null));
  }

  clear() {
    this.keep([]);
  }

  progress(id: string, stage: Stage, part: number) {
    this.change(id, { stage, part });
  }

  /** One after the other: each is matched with what the one before added. */
  private async run() {
    if (this.running) return;
    this.running = true;
    for (;;) {
      const upload = this.all.find((one) => one.stage === 'waiting' && !isOver(one));
      if (!upload) break;
      this.change(upload.id, { stage: 'reading', part: 0 });
      try {
        this.change(upload.id, { report: await this.carry(upload), stage: 'done', part: 1 });
      } catch (failure) {
        this.change(upload.id, { failure: failure ?? new Error('no reason given') });
      }
    }
    this.running = false;
  }

  private change(id: string, part: Partial<Upload>) {
    this.keep(this.all.map((one) => (one.id === id ? { ...one, ...part } : one)));
  }

  private keep(all: readonly Upload[]) {
    this.all = all;
    for (const listener of this.listeners) listener();
  }
}

export const uploads = new Uploads(({ patient, file, id, whole }) => vault.importFile(patient, file, id, whole));

onVault((event) => {
  if (event.event === 'progress') uploads.progress(event.job, event.stage, event.total ? event.done / event.total : 0);
  // Somebody else may sit here next; whose session was ended from elsewhere comes back to theirs.
  if (event.event === 'state' && event.state.state === 'out' && event.state.ended !== 'elsewhere') uploads.clear();
});

const warn = (event: BeforeUnloadEvent) => event.preventDefault();
uploads.subscribe(() => {
  if (uploads.list().some(isAtRisk)) addEventListener('beforeunload', warn);
  else removeEventListener('beforeunload', warn);
});

export const useUploads = () => useSyncExternalStore(uploads.subscribe, uploads.list);
