import type { ICursor, IServerSentEvent } from '../../tokens';
import { type IPosition, readPosition } from '../position';
import { Controls, runOf } from './controls';
import type { Member } from './member';
import { type IRead, isNews } from './message';
import type { Share } from './share';

/**
 * Where a reading stands: `joined` to the connection, `waiting` for its turn to be brought up to it, or just being
 * brought up (`catching-up`).
 */
export type Place = 'joined' | 'waiting' | 'catching-up';

/** One stream as one tab reads it. */
export class Reader {
  constructor(
    readonly member: Member,
    readonly share: Share,
    read: IRead
  ) {
    this.key = read.key;
    this.cursor = read.cursor;
    this._sentCursor = read.cursor;
    this.isFresh = read.isFresh;
    this._wasFresh = read.isFresh;
    if (!read.isFresh && read.cursor === null) {
      this.reset();
    }
  }

  readonly key: number;
  place: Place = 'waiting';
  /** How far the tab will be when it has got all that is pending for it. */
  cursor: ICursor | null;
  /** Whether it has got nothing yet, or nothing that still counts. */
  isFresh: boolean;
  /** The run it was told last. */
  run = -1;
  /** Where its newest event stands, where that is known. */
  newest: IPosition | null = null;
  /** Not before this time is it brought up again: unix ms. */
  notBefore = 0;

  /** What comes over the connection up to here it has got before; `null` when nothing does. */
  get skipTo(): IPosition | null {
    return this._skipTo;
  }

  reset(): void {
    this.cursor = null;
    this.isFresh = true;
    this.run = -1;
    this.newest = null;
    this._skipTo = null;
    this.member.push(this, { key: this.key, action: 'reset' });
  }

  resume(): void {
    this.member.push(this, { key: this.key, action: 'resume' });
  }

  receive(events: readonly IServerSentEvent[], cursor: ICursor | null): void {
    this.cursor = cursor;
    this.isFresh &&= !events.some(isNews);
    events.forEach(event => this._note(event));
    this.member.push(this, {
      key: this.key,
      action: 'receive',
      events,
      cursor
    });
  }

  /** From now on it gets what the connection brings, but what comes up to `skipTo`. */
  join(skipTo: IPosition | null): void {
    this.place = 'joined';
    this._skipTo = skipTo;
    if (skipTo === null) {
      this._tellControls();
    }
  }

  /** The same of a run that cannot be read again: what the tab has missed of it is said to be lost. */
  joinAnew(): void {
    this.join(null);
    if (this._hasMissed) {
      this._hasMissed = false;
      const data = JSON.stringify({
        stream: this.share.stream,
        reason: 'overflow',
        requested: null,
        resumed: null,
        lost: { from: null, to: null, count: null }
      });
      this.receive([{ type: 'sse.gap', data, id: null }], this.cursor);
    }
  }

  /** It is brought up to the connection again, from where it is. */
  wait(): void {
    this.place = 'waiting';
    this._skipTo = null;
  }

  /** All that was pending for it has been posted. */
  markSent(): void {
    this._sentCursor = this.cursor;
    this._wasFresh = this.isFresh;
  }

  /** The tab took too long: what is pending for it goes, and is read again when it has room. */
  fallBehind(): void {
    this.cursor = this._sentCursor;
    this.isFresh = this._wasFresh;
    this.run = -1;
    this.newest = null;
    this._hasMissed = true;
    this.wait();
  }

  /**
   * The connection has brought something.
   *
   * @returns `false` when it cannot be told whether the tab has got it before: then it has to wait for its turn
   */
  take(events: readonly IServerSentEvent[], cursor: ICursor | null): boolean {
    if (this._skipTo === null) {
      this.receive(events, cursor);
      return true;
    }
    const { seq, epoch } = this._skipTo;
    for (const [i, event] of events.entries()) {
      if (event.type.startsWith('sse.') && event.type !== 'sse.gap') {
        continue;
      }
      const at = readPosition(event.id);
      if (at === null || at.epoch !== epoch) {
        return false;
      }
      if (at.seq >= seq) {
        const news = at.seq === seq ? i + 1 : i;
        this._skipTo = null;
        this._tellControls(events.slice(0, news));
        this.receive(events.slice(news), cursor);
        return true;
      }
    }
    if ((readPosition(cursor?.position ?? null)?.seq ?? 0) >= seq) {
      this._skipTo = null;
      this._tellControls(events);
    }
    return true;
  }

  /**
   * Tell what the connection has told of the stream's run, state and end, as far as it is no older than what the tab
   * knows.
   *
   * @param skipped - what it has brought since
   */
  private _tellControls(skipped: readonly IServerSentEvent[] = []): void {
    const { controls } = this.share;
    const told = new Controls([...controls.events, ...skipped]).events.filter(
      event => (runOf(event) ?? this.run) >= this.run
    );
    if (told.length > 0) {
      this.receive(told, this.cursor ?? this.share.cursor);
    }
  }

  private _note(event: IServerSentEvent): void {
    if (event.type === 'sse.run') {
      this.run = runOf(event) ?? this.run;
    } else if (!event.type.startsWith('sse.')) {
      this.newest = readPosition(event.id);
    }
  }

  /** How far the tab will be when it has got all that was posted. */
  private _sentCursor: ICursor | null;
  private _wasFresh: boolean;
  private _skipTo: IPosition | null = null;
  /** Whether something was dropped that was meant for it. */
  private _hasMissed = false;
}
