import type { IGap } from './event';

type OpenGap = { -readonly [Key in keyof IGap]: IGap[Key] };

/** Gaps that are told apart, of a stream or of a plot; of more, the oldest are taken together. */
export const MAX_GAPS = 1_000;

/** What is missing in all. */
export interface ILoss {
  /** Events, as far as is known. */
  readonly events: number;
  readonly gaps: number;
  /** Whether it is known of each gap how many it holds. */
  readonly isExact: boolean;
}

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

  /** All that is missing, of gaps taken together as well. */
  get total(): ILoss {
    const { events, gaps, isExact } = lossOf(this._gaps);
    return {
      events: events + this._merged.events,
      gaps: gaps + this._merged.gaps,
      isExact
    };
  }

  /** The server has announced a gap. */
  add(gap: IGap): IGap {
    const open = { ...gap };
    this._gaps.push(open);
    if (this._gaps.length > MAX_GAPS) {
      this._mergeOldest();
    }
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
    this._merged = { events: 0, gaps: 0 };
  }

  /** Everything is read again from the start: what was missing may come. */
  clear(): void {
    this._gaps.length = 0;
    this._merged = { events: 0, gaps: 0 };
    this._uncounted = null;
    this._isCounting = false;
    this._offset = null;
    this._received = 0;
  }

  private _mergeOldest(): void {
    const [first, second] = this._gaps;
    const merged = mergeGaps(first, second);
    this._gaps.splice(0, 2, merged);
    const { events } = lossOf([first, second]);
    this._merged.events += events - (merged.count ?? 0);
    this._merged.gaps++;
  }

  private readonly _gaps: OpenGap[] = [];
  /** What the list says no more, since some of its gaps were taken together. */
  private _merged = { events: 0, gaps: 0 };
  /** The gap whose count the next position tells. */
  private _uncounted: OpenGap | null = null;
  // More than one gap since the last position: what is missing cannot be told apart.
  private _isCounting = false;
  private _epoch = '';
  /** The newest position's number less the events received. */
  private _offset: number | null = null;
  private _received = 0;
}

/** What these gaps hold together. */
export function lossOf(gaps: readonly IGap[]): ILoss {
  return {
    events: gaps.reduce((sum, gap) => sum + (gap.count ?? 0), 0),
    gaps: gaps.length,
    isExact: gaps.every(gap => gap.count !== null)
  };
}

/** Two gaps as one, at the place of the first. */
export function mergeGaps(first: IGap, second: IGap): IGap {
  const { events, isExact } = lossOf([first, second]);
  return {
    reason: first.reason === second.reason ? first.reason : '',
    count: isExact ? events : null,
    after: first.after
  };
}
