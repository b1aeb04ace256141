import type { IClock } from '../src/connection/clock';

/** A clock that stands still until the test moves it. */
export class ManualClock implements IClock {
  time = 1_700_000_000_000;
  randomValue = 0.5;

  now(): number {
    return this.time;
  }

  random(): number {
    return this.randomValue;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { at: this.time + delayMs, action };
    this._timers.add(timer);
    return () => this._timers.delete(timer);
  }

  breathe(): Promise<void> {
    return Promise.resolve();
  }

  /** Move on, calling what falls due in its order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this._timers]
        .filter(timer => timer.at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (due === undefined) {
        break;
      }
      this._timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.action();
    }
    this.time = end;
  }

  private readonly _timers = new Set<{ at: number; action: () => void }>();
}
