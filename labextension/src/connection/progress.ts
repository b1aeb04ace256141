import type { ICursor, IServerSentEvent } from '../tokens';
import { parseObject } from './json';
import { readGapExtent } from './overlap';
import { numberIn, ownPosition, readyCursor } from './position';

/** The id of an end. */
const END = /-end-\d+$/;

/** How far the reading of one stream has come. */
export class Progress {
  /** @param cursor - how far it had come before, or `null` */
  constructor(public cursor: ICursor | null) {}

  /** Something has been received, or told as missing. */
  take(event: IServerSentEvent): void {
    if (event.type === 'sse.ready') {
      if (!this._isOver) {
        this._moveTo(readyCursor(event.data));
      }
    } else if (event.type === 'sse.end') {
      this._finish(event);
    } else if (event.type === 'sse.gap') {
      this._recount(event);
    } else if (!event.type.startsWith('sse.')) {
      this._count(event.id);
    }
  }

  /** A position of a connection of many streams stands for all that came of this one, too. */
  cover(position: string): void {
    if (this._isOver) {
      return;
    }
    const { n = null, beyond = 0 } = this.cursor ?? {};
    const number = n === null ? null : n + beyond;
    this.cursor = {
      position: ownPosition(position, number),
      beyond: 0,
      n: number
    };
  }

  /** The end of a run that is for one connection alone: who comes back with another cursor begins another run. */
  private _finish(end: IServerSentEvent): void {
    const { cursor } = parseObject(end.data);
    if (typeof cursor === 'string') {
      this.cursor = { position: cursor, beyond: 0, n: null };
    }
  }

  /** Whether such a run is over, and nothing came after it. */
  private get _isOver(): boolean {
    return this.cursor?.beyond === 0 && END.test(this.cursor.position);
  }

  private _count(id: string | null): void {
    if (id !== null) {
      this._moveTo(id);
    } else if (this.cursor !== null) {
      this.cursor = { ...this.cursor, beyond: this.cursor.beyond + 1 };
    }
  }

  /** A position that is the stream's own stands for all of it up to here. */
  private _moveTo(position: string | null): void {
    if (position !== null) {
      this.cursor = { position, beyond: 0, n: numberIn(position) };
    }
  }

  /** A gap tells the number of the next event; what producers lost has a count and no numbers. */
  private _recount(gap: IServerSentEvent): void {
    const { next, count } = readGapExtent(gap.data);
    if (this.cursor !== null && (next !== null || count === null)) {
      const n = next === null ? null : next - 1 - this.cursor.beyond;
      this.cursor = { ...this.cursor, n };
    }
  }
}
