import type { IClock } from '../clock';
import type { HolderPort } from './port';
import { type Item, sizeOf, type ToTab } from './message';
import type { Reader } from './reader';

/** Characters that a tab may have been sent without having taken them; the browser's queue has no bound of its own. */
export const CREDIT = 4 * 1024 * 1024;
/** Characters that are put together at most, whatever the interval. */
const FULL_BATCH = 1024 * 1024;
/** A hidden tab is told what happens once in this time: it paints nothing. */
const HIDDEN_MS = 1_000;

/** One tab as the holder of its connection knows it: what it reads, what it has been sent, how much it has taken. */
export class Member {
  /**
   * @param tab - the tab's id
   * @param frameMs - a visible tab is told what happens once in this time
   * @param onRoom - called when the tab has taken something
   */
  constructor(
    readonly tab: string,
    private readonly _port: HolderPort,
    private readonly _clock: IClock,
    private readonly _frameMs: number,
    private readonly _onRoom: () => void
  ) {
    this.heardAt = _clock.now();
  }

  readonly readers = new Map<number, Reader>();
  /** When the tab was last heard of: unix ms. */
  heardAt: number;

  get isVisible(): boolean {
    return this._isVisible;
  }

  /** Characters sent and not taken. */
  get unacknowledged(): number {
    return this._unacknowledged;
  }

  /** Whether it has to take something before it is given more. */
  get isFull(): boolean {
    return this._unacknowledged + this._pendingSize >= CREDIT;
  }

  /** Whether it has taken enough to be brought up to the connection again. */
  get hasRoom(): boolean {
    return this._unacknowledged + this._pendingSize <= CREDIT / 4;
  }

  post(message: ToTab): void {
    this._port.post(message);
  }

  show(isVisible: boolean): void {
    this._isVisible = isVisible;
    if (isVisible) {
      this._flush();
    }
  }

  /** Put something into the next batch; it is sent with {@link flush}. */
  push(reader: Reader, item: Item): void {
    const last = this._pending.at(-1);
    if (
      item.action === 'receive' &&
      last?.action === 'receive' &&
      last.key === item.key
    ) {
      const events = [...last.events, ...item.events];
      this._pending[this._pending.length - 1] = { ...item, events };
    } else {
      this._pending.push(item);
    }
    this._pendingSize += item.action === 'receive' ? sizeOf(item.events) : 0;
    this._touched.add(reader);
  }

  /** Send what is pending, or see to it that it is sent in time. */
  flush(): void {
    if (this._pending.length === 0) {
      return;
    }
    const intervalMs = this._isVisible ? this._frameMs : HIDDEN_MS;
    const waitMs = this._flushedAt + intervalMs - this._clock.now();
    if (waitMs <= 0 || this._pendingSize >= FULL_BATCH) {
      this._flush();
    } else {
      this._cancelFlush ??= this._clock.after(waitMs, () => this._flush());
    }
  }

  /** The tab has taken events. */
  took(size: number): void {
    this._unacknowledged = Math.max(0, this._unacknowledged - size);
    this.flush();
    this._onRoom();
  }

  /** It took too long: what is pending goes. @returns the readers that have to be brought up again */
  fallBehind(): Reader[] {
    this._clear();
    const readers = [...this.readers.values()].filter(
      reader => reader.place !== 'waiting' || this._touched.has(reader)
    );
    this._touched.clear();
    readers.forEach(reader => reader.fallBehind());
    return readers;
  }

  /** The tab is gone, or has been told so. */
  close(): void {
    this._clear();
    this.readers.clear();
    this._port.close();
  }

  private _flush(): void {
    this._cancelFlush?.();
    this._cancelFlush = null;
    if (this._pending.length === 0 || this._unacknowledged >= CREDIT) {
      return;
    }
    const items = this._pending;
    const size = this._pendingSize;
    this._pending = [];
    this._pendingSize = 0;
    this._unacknowledged += size;
    this._flushedAt = this._clock.now();
    this._touched.forEach(reader => reader.markSent());
    this._touched.clear();
    // Last, because a tab in the same page answers before this returns.
    this._port.post({ kind: 'batch', items, size });
  }

  private _clear(): void {
    this._cancelFlush?.();
    this._cancelFlush = null;
    this._pending = [];
    this._pendingSize = 0;
  }

  private _isVisible = true;
  private _unacknowledged = 0;
  private _pending: Item[] = [];
  private _pendingSize = 0;
  /** The readers for which something is pending. */
  private readonly _touched = new Set<Reader>();
  private _flushedAt = -Infinity;
  private _cancelFlush: (() => void) | null = null;
}
