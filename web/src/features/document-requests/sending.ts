/** Files on their way to whoever asked for them, one after the other. A failed one stays at hand; it is never sent twice by itself. */
export interface Sending { id: number; file: File; /** From 0 to 1. */ part: number; stage: 'waiting' | 'sending' | 'sent' | 'known' | 'failed'; failure: unknown }

type Carry = (file: File, onPart: (part: number) => void) => Promise<{ created: number }>;

export class Sendings {
  private all: readonly Sending[] = [];
  private running = false;
  private next = 1;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly carry: Carry, private readonly most: number) {}

  readonly list = () => this.all;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** A file that is larger than the link takes is told of, and not sent. */
  add(files: Iterable<File>) {
    this.keep([...this.all, ...[...files].map((file): Sending => {
      const large = file.size > this.most;
      return { id: this.next++, file, part: 0, stage: large ? 'failed' : 'waiting', failure: large ? 'too_large' : null };
    })]);
    void this.run();
  }

  retry(id: number) {
    this.change(id, { stage: 'waiting', part: 0, failure: null });
    void this.run();
  }

  remove(id: number) {
    this.keep(this.all.filter((one) => one.id !== id || one.stage === 'sending'));
  }

  private async run() {
    if (this.running) return;
    this.running = true;
    for (;;) {
      const one = this.all.find(({ stage }) => stage === 'waiting');
      if (!one) break;
      this.change(one.id, { stage: 'sending' });
      try {
        const { created } = await this.carry(one.file, (part) => this.change(one.id, { part }));
        this.change(one.id, { stage: created > 0 ? 'sent' : 'known', part: 1 });
      } catch (failure) {
        this.change(one.id, { stage: 'failed', failure: failure ?? new Error('no reason given') });
      }
    }
    this.running = false;
  }

  private change(id: number, part: Partial<Sending>) {
    this.keep(this.all.map((one) => (one.id === id ? { ...one, ...part } : one)));
  }

  private keep(all: readonly Sending[]) {
    this.all = all;
    for (const listener of this.listeners) listener();
  }
}
