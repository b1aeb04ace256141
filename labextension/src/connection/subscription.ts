import type { IServerSentEvent, IStreamSink } from '../tokens';

/**
 * One stream within the connection: what was received of it, and whether it can be resumed.
 */
export class Subscription {
  constructor(
    readonly stream: string,
    readonly sink: IStreamSink
  ) {}

  /** Take one event; it reaches the sink with {@link deliver}. */
  push(event: IServerSentEvent, ordinal: number): void {
    this._batch.push(event);
    this._isFresh = false;
    if (event.type === 'sse.ready') {
      this._isReady = true;
    } else if (!event.type.startsWith('sse.') && event.id === null) {
      this._lastUnnumbered = ordinal;
    }
  }

  /** Hand what was pushed to the sink, in one call. */
  deliver(): void {
    if (this._batch.length > 0) {
      const batch = this._batch;
      this._batch = [];
      this.sink.receive(batch);
    }
  }

  /**
   * What to ask the server for on the next connection: the rest after `cursor`, or everything.
   *
   * While a stream replays, its events carry no id and no cursor covers them; such a stream is read again from its
   * start and its sink forgets what it has.
   *
   * @param cursor - the last id of the connection, or `null`
   * @param cursorOrdinal - the ordinal at which it came
   */
  resume(cursor: string | null, cursorOrdinal: number): string {
    const isCovered =
      cursor !== null && this._isReady && this._lastUnnumbered < cursorOrdinal;
    if (isCovered) {
      this.sink.resume();
      return `${this.stream}@${cursor}`;
    }
    if (!this._isFresh) {
      this._batch = [];
      this._isFresh = true;
      this._isReady = false;
      this.sink.reset();
    }
    return `${this.stream}@earliest`;
  }

  private _batch: IServerSentEvent[] = [];
  private _isFresh = true;
  private _isReady = false;
  private _lastUnnumbered = -1;
}
