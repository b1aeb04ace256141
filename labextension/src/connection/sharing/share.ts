import type { ICursor, IServerSentEvent, IStreamSink } from '../../tokens';
import { type IPosition, readPosition } from '../position';
import { Controls, isOfOneReader } from './controls';
import { isNews } from './message';
import type { Reader } from './reader';

/** Where the connection stood with a stream when a tab began to be brought up to it. */
export interface IStand {
  readonly events: number;
  readonly lives: number;
}

/**
 * One stream on the connection, and the tabs that read it.
 *
 * A tab that comes later needs what came before. Nothing of it is kept here: the tab is brought up to the connection
 * by a short reading of its own (`CatchUp`), and joins where the two meet. Keeping the history here instead would cost
 * its memory a second time and would need an announcement of its own for what does not fit; reading the stream anew over
 * the connection would replay it to every tab. The server holds the history, and says what is missing of it.
 */
export class Share implements IStreamSink {
  /**
   * @param start - from where the connection reads the stream
   * @param onSettled - called when tabs that wait may find their place
   * @param onAstray - called for a tab that has lost its place on the connection
   */
  constructor(
    readonly stream: string,
    start: ICursor | null,
    private readonly _onSettled: () => void,
    private readonly _onAstray: (reader: Reader) => void
  ) {
    this.cursor = start;
    this._isUntouched = start === null;
  }

  readonly readers = new Set<Reader>();

  /** How far the connection has come. */
  cursor: ICursor | null;

  get controls(): Controls {
    return this._controls;
  }

  /** Whether the connection is through with its own replay: what it brings has positions. */
  get isSettled(): boolean {
    return this._isReady && !this._isGapped && this.cursor?.beyond === 0;
  }

  get stand(): IStand {
    return { events: this._events, lives: this._lives };
  }

  /** Whether the connection has brought no event since it stood there, and knew where it stood. */
  isWhereItWas(stand: IStand): boolean {
    return (
      this.isSettled &&
      stand.lives === this._lives &&
      stand.events === this._events
    );
  }

  /**
   * Join a reader that is no further behind than the connection.
   *
   * @param isUpToDate - the reader has all that the server had at a time when the connection was already here
   * @returns whether it has joined
   */
  join(reader: Reader, isUpToDate = false): boolean {
    if (this._isOwn) {
      reader.joinAnew();
      return true;
    }
    const at = readPosition(reader.cursor?.position ?? null);
    const covered = readPosition(this.cursor?.position ?? null);
    const here = this._newest ?? covered;
    const isAhead =
      this.isSettled &&
      at !== null &&
      here !== null &&
      reader.cursor?.beyond === 0 &&
      at.epoch === here.epoch &&
      at.seq >= here.seq;
    if (isAhead) {
      // What it has got that the connection has yet to bring.
      const { newest } = reader;
      const reached = Math.max(here.seq, covered?.seq ?? 0);
      reader.join(newest !== null && newest.seq > reached ? newest : null);
    } else if (isUpToDate || this._isSamePlace(reader)) {
      reader.join(null);
    } else {
      return false;
    }
    return true;
  }

  reset(): void {
    this._begin();
    this._isUntouched = true;
    this.cursor = null;
    this._controls = new Controls();
    this._eachJoined(reader => {
      reader.reset();
      return true;
    });
  }

  resume(): void {
    this._begin();
    this._eachJoined(reader => {
      reader.resume();
      return reader.skipTo === null;
    });
  }

  receive(events: readonly IServerSentEvent[], cursor: ICursor | null): void {
    this._eachJoined(reader => reader.take(events, cursor));
    const wasSettled = this.isSettled;
    events.forEach(event => this._note(event));
    // A position that is not the one before a gap lies behind it.
    this._isGapped &&= cursor?.position === this.cursor?.position;
    this.cursor = cursor;
    if (this.isSettled && !wasSettled) {
      this._onSettled();
    }
  }

  private _begin(): void {
    this._lives++;
    this._isReady = false;
    this._isGapped = false;
    this._controls.begin();
    this._newest = null;
  }

  private _note(event: IServerSentEvent): void {
    this._controls.note(event);
    if (event.type === 'sse.ready') {
      this._isReady = true;
    }
    if (event.type === 'sse.run') {
      this._isOwn = isOfOneReader(event);
    }
    if (isNews(event)) {
      this._events++;
      this._isUntouched = false;
      this._newest = readPosition(event.id);
      this._isGapped = event.type === 'sse.gap';
    }
  }

  /** Whether the connection has brought nothing that the reader has not, and nothing is missing between the two. */
  private _isSamePlace({ cursor, isFresh }: Reader): boolean {
    if (cursor === null) {
      return isFresh && this._isUntouched;
    }
    return (
      !this._isGapped &&
      cursor.position === this.cursor?.position &&
      cursor.beyond === this.cursor.beyond
    );
  }

  /** @param act - returns `false` when the reader has lost its place */
  private _eachJoined(act: (reader: Reader) => boolean): void {
    for (const reader of this.readers) {
      if (reader.place === 'joined' && !act(reader)) {
        this._onAstray(reader);
      }
    }
  }

  private _controls = new Controls();
  private _isReady = false;
  /** Whether a generator runs for this connection alone: read by another, it would be another run. */
  private _isOwn = false;
  /** Whether something is missing after `cursor`: who joins there would not hear of it. */
  private _isGapped = false;
  /** Events and gaps so far. */
  private _events = 0;
  /** How often the connection began anew. */
  private _lives = 0;
  /** Whether it reads from the earliest event and has brought none. */
  private _isUntouched: boolean;
  /** Of the newest event, where it had one. */
  private _newest: IPosition | null = null;
}
