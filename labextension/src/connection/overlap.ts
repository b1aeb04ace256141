import type { ICursor, IServerSentEvent } from '../tokens';
import { parseObject } from './json';
import { readPosition } from './position';

/**
 * Leaves out of a replay what the reader has received before.
 *
 * The events of a replay carry no id on a connection of many streams. A reader whose replay broke off resumes from the
 * last position it has, and gets again what came after that: the first `beyond` events. Should some of them be gone by
 * then, the server's gap counts them too, and is shortened to what really is missing.
 */
export class Overlap {
  constructor(cursor: ICursor) {
    this._left = cursor.beyond;
    this._received = cursor.n === null ? null : cursor.n + cursor.beyond;
  }

  /** How many events are still to come that have been received before. */
  get left(): number {
    return this._left;
  }

  /**
   * Judge the next event.
   *
   * @returns the event, changed where it is a gap that overlaps; `null` for what has been received before;
   * `'unknown'` for a gap that cannot be told apart from what has been received
   */
  take(event: IServerSentEvent): IServerSentEvent | null | 'unknown' {
    if (this._isOver) {
      return event;
    }
    if (event.type === 'sse.gap') {
      return this._takeGap(event);
    }
    if (event.type.startsWith('sse.')) {
      this._isOver = event.type === 'sse.ready';
      return event;
    }
    if (this._left > 0) {
      this._left--;
      return null;
    }
    this._isOver = true;
    return event;
  }

  private _takeGap(
    event: IServerSentEvent
  ): IServerSentEvent | null | 'unknown' {
    const gap = readGapExtent(event.data);
    if (['epoch', 'ahead', 'unknown-id'].includes(gap.reason)) {
      // Another life of the log: nothing of it has been received.
      this._left = 0;
      this._isOver = true;
      return event;
    }
    const isDone = this._left === 0;
    if (gap.next === null) {
      // What a producer lost has no numbers; amid events that have been received it was told then.
      return isDone ? event : gap.count === null ? 'unknown' : null;
    }
    if (this._received === null) {
      return isDone ? event : 'unknown';
    }
    const missing = gap.next - 1 - this._received;
    this._left = Math.max(0, -missing);
    return missing > 0
      ? shortened(event, this._received + 1, gap.next - 1)
      : null;
  }

  private _left: number;
  private _isOver = false;
  /** The number in its stream of the newest event received. */
  private readonly _received: number | null;
}

/** What a gap says of numbers. */
export interface IGapExtent {
  readonly reason: string;
  readonly count: number | null;
  /** The number of the first event after the gap. */
  readonly next: number | null;
}

export function readGapExtent(text: string): IGapExtent {
  const data = parseObject(text);
  const lost = (data.lost ?? {}) as Record<string, unknown>;
  const resumed =
    typeof data.resumed === 'string' ? readPosition(data.resumed) : null;
  return {
    reason: String(data.reason),
    count: typeof lost.count === 'number' ? lost.count : null,
    next: resumed?.n ?? (typeof lost.to === 'number' ? lost.to + 1 : null)
  };
}

function shortened(
  event: IServerSentEvent,
  from: number,
  to: number
): IServerSentEvent {
  const lost = { from, to, count: to - from + 1 };
  const data = JSON.stringify({ ...parseObject(event.data), lost });
  return { ...event, data };
}
