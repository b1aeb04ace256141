import type { IServerSentEvent, IStreamSink } from '../tokens';

/** The number of an event within its stream, at the end of its position. */
const NUMBER = /-(\d+)$/;

interface IGapData {
  readonly lost: { readonly to: number | null; readonly count: number | null };
}

/**
 * One stream within the connection: what was received of it, and from where it can be resumed.
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
      const { cursor } = JSON.parse(event.data) as { cursor: string };
      this._number = numberOf(cursor);
    } else if (event.type === 'sse.gap') {
      const { to, count } = (JSON.parse(event.data) as IGapData).lost;
      // What producers lost has a count and no numbers.
      this._number = to ?? (count === null ? null : this._number);
    } else if (!event.type.startsWith('sse.')) {
      this._count(event.id, ordinal);
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
   * The connection's cursor stands for all its streams. With the number of this stream's last event in it, it is the
   * stream's own, and the server can say exactly what is missing.
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
      return `${this.stream}@${cursor.replace(NUMBER, `-${this._number ?? 0}`)}`;
    }
    if (!this._isFresh) {
      this._batch = [];
      this._isFresh = true;
      this._isReady = false;
      this._number = null;
      this.sink.reset();
    }
    return `${this.stream}@earliest`;
  }

  private _count(id: string | null, ordinal: number): void {
    if (id === null) {
      this._lastUnnumbered = ordinal;
      this._number = this._number === null ? null : this._number + 1;
    } else {
      this._number = numberOf(id);
    }
  }

  private _batch: IServerSentEvent[] = [];
  private _isFresh = true;
  private _isReady = false;
  private _lastUnnumbered = -1;
  /** The number of the last event received or told to be missing; `null` where it is not known. */
  private _number: number | null = null;
}

function numberOf(position: string): number {
  return Number(NUMBER.exec(position)?.[1] ?? 0);
}
