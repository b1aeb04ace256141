import type { ICursor, IServerSentEvent, IStreamSink } from '../tokens';
import { Overlap } from './overlap';
import { Progress } from './progress';

/**
 * One stream within the connection: what was received of it, and from where it can be resumed.
 */
export class Subscription {
  /** @param cursor - how far the reader has come before, or `null` to read from the earliest event */
  constructor(
    readonly stream: string,
    readonly sink: IStreamSink,
    cursor: ICursor | null = null
  ) {
    this._progress = new Progress(cursor);
    this._isCursorTold = cursor !== null;
  }

  /** Take one event; it reaches the sink with {@link deliver}. */
  push(event: IServerSentEvent, ordinal: number): void {
    this._isFresh = false;
    if (event.id === null && !event.type.startsWith('sse.')) {
      this._lastUnnumbered = ordinal;
    }
    const kept = this._overlap === null ? event : this._overlap.take(event);
    if (kept === null) {
      return;
    }
    if (kept === 'unknown') {
      this._startOver();
    }
    const taken = kept === 'unknown' ? event : kept;
    this._batch.push(taken);
    this._isReady ||= taken.type === 'sse.ready';
    this._progress.take(taken);
    this._isCursorTold &&= this._cursor?.beyond === 0;
  }

  /**
   * Hand what was pushed to the sink, in one call.
   *
   * @param lastId - the last id of the connection, or `null`
   * @param lastIdOrdinal - the ordinal at which it came
   */
  deliver(lastId: string | null, lastIdOrdinal: number): void {
    this._cover(lastId, lastIdOrdinal);
    const isCursorNews = !this._isCursorTold && this._cursor?.beyond === 0;
    if (this._batch.length > 0 || isCursorNews) {
      const batch = this._batch;
      this._batch = [];
      this._isCursorTold = this._cursor?.beyond === 0;
      this.sink.receive(batch, this._cursor);
    }
  }

  /**
   * What to ask the server for on the next connection: the rest after the last position that covers this stream, less
   * what was received beyond it; without such a position everything, and the sink forgets what it has.
   */
  resume(lastId: string | null, lastIdOrdinal: number): string {
    this._cover(lastId, lastIdOrdinal);
    if (this._cursor !== null) {
      this._overlap = new Overlap(this._cursor);
      this.sink.resume();
      return `${this.stream}@${this._cursor.position}`;
    }
    if (!this._isFresh) {
      this._batch = [];
      this._isFresh = true;
      this._isReady = false;
      this.sink.reset();
    }
    return `${this.stream}@earliest`;
  }

  /** An id that came after everything of this stream stands for it too, once the stream has caught up. */
  private _cover(lastId: string | null, lastIdOrdinal: number): void {
    const isCovered =
      lastId !== null && this._isReady && this._lastUnnumbered < lastIdOrdinal;
    if (isCovered) {
      this._progress.cover(lastId);
    }
  }

  /** What was received cannot be told apart from what is missing: it is replayed, as far as it is still held. */
  private _startOver(): void {
    this._batch = [];
    this._overlap = null;
    this._progress.cursor = this._cursor && {
      ...this._cursor,
      beyond: 0,
      n: null
    };
    this.sink.reset();
  }

  private get _cursor(): ICursor | null {
    return this._progress.cursor;
  }

  private _batch: IServerSentEvent[] = [];
  private readonly _progress: Progress;
  /** Whether the sink knows a cursor that covers all it got. */
  private _isCursorTold: boolean;
  private _overlap: Overlap | null = null;
  private _isFresh = true;
  private _isReady = false;
  private _lastUnnumbered = -1;
}
