import type { IGap } from './event';

type OpenGap = { -readonly [Key in keyof IGap]: IGap[Key] };

const POSITION = /^([0-9A-Za-z]{11})-\d+-(\d+)$/;

/**
 * What is missing of a stream.
 *
 * On a connection of several streams the server cannot always say how many events a gap holds. The positions of the
 * events can: they count the stream's events from the first one, so they jump by what was not received.
 */
export class Losses {
  get gaps(): readonly IGap[] {
    return this._gaps;
  }

  /** Events lost, as far as is known. */
  get lost(): number {
    return this._gaps.reduce((sum, gap) => sum + (gap.count ?? 0), 0);
  }

  /** The server has announced a gap. */
  add(gap: IGap): IGap {
    const open = { ...gap };
    this._gaps.push(open);
    this._uncounted = this._isCounting ? null : this._uncounted;
    if (gap.count === null && this._offset !== null && !this._isCounting) {
      this._uncounted = open;
    }
    this._isCounting = true;
    return open;
  }

  /** An event has been received; `id` is its position, where it has one. */
  count(id: string | null): void {
    this._received++;
    const position = id === null ? null : POSITION.exec(id);
    if (position === null) {
      return;
    }
    const [, epoch, n] = position;
    const offset = Number(n) - this._received;
    if (this._uncounted !== null && epoch === this._epoch) {
      this._uncounted.count = Math.max(0, offset - (this._offset ?? offset));
    }
    this._uncounted = null;
    this._isCounting = false;
    this._epoch = epoch;
    this._offset = offset;
  }

  /** Begin a new run with these gaps. */
  keep(isKept: (gap: IGap) => boolean): void {
    const kept = this._gaps.filter(isKept);
    kept.forEach(gap => (gap.after = 0));
    this._gaps.splice(0, Infinity, ...kept);
  }

  /** Everything is read again from the start: what was missing may come. */
  clear(): void {
    this._gaps.length = 0;
    this._uncounted = null;
    this._isCounting = false;
    this._offset = null;
    this._received = 0;
  }

  private readonly _gaps: OpenGap[] = [];
  /** The gap whose count the next position tells. */
  private _uncounted: OpenGap | null = null;
  // More than one gap since the last position: what is missing cannot be told apart.
  private _isCounting = false;
  private _epoch = '';
  /** The newest position's number less the events received. */
  private _offset: number | null = null;
  private _received = 0;
}
