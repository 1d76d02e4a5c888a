/** The main thread's end of the press: one worker for one PDF. */
import type { Job, Progress, Told } from '../press/job.ts';
import { VaultFailure } from '../vault-worker/api.ts';

/**
 * The PDF, set on this device. A signal that aborts ends it, and then nothing is
 * heard any more. Fails with `press.unreachable` where what sets it could not be
 * fetched, and `press.failed` or `pdf.…` where it could not be set.
 */
export function print(job: Job, told: (at: Progress) => void, signal: AbortSignal): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../press/worker.ts', import.meta.url), { type: 'module', name: 'press' });
    const end = () => worker.terminate();
    const fail = (code: string) => {
      end();
      reject(new VaultFailure({ code }));
    };
    // A worker that never began says no more than this.
    let begun = false;
    worker.onerror = () => fail(begun ? 'press.failed' : 'press.unreachable');
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      begun = true;
      if (data.stage === 'failed') return fail(data.code);
      if (data.stage !== 'done') return told(data);
      end();
      return resolve(new Blob([data.pdf], { type: 'application/pdf' }));
    };
    signal.addEventListener('abort', end);
    worker.postMessage(job);
  });
}
