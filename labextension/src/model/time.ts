import type { IClock } from '../connection/clock';

/** How long one measurement of the server's clock counts. */
const SAMPLE_MS = 5 * 60_000;
/** The server tells the append time again when this much has passed. */
const MARK_MS = 16;
const RATE_BUCKET_MS = 100;
const RATE_BUCKETS = 50;

/** What time it is on the server, estimated from what it says as it happens. */
export class ServerClock {
  constructor(private readonly _clock: IClock) {}

  /** Unix ms of the server. */
  now(): number {
    return this._clock.now() + this._offsetMs;
  }

  /**
   * The server said that it is `at`, just now.
   *
   * The true offset is at least `at - now`: the way to the page only makes it look smaller. So the largest of the last
   * few minutes is the best one.
   */
  tell(at: number): void {
    const now = this._clock.now();
    const sample = at - now;
    const isOld = now - this._sampledAt > SAMPLE_MS;
    if (isOld || sample > this._offsetMs) {
      this._offsetMs = sample;
      this._sampledAt = now;
    }
  }

  // Without a word from the server both clocks are taken to agree.
  private _offsetMs = 0;
  private _sampledAt = -Infinity;
}

/**
 * When each event of a stream was appended: told by the server now and then, estimated in between.
 */
export class AppendTimes {
  constructor(private readonly _serverClock: ServerClock) {}

  /** The newest append time, `NaN` before the first event. */
  get last(): number {
    return this._last;
  }

  /** The next event was appended at `at` (unix ms). */
  mark(at: number): void {
    if (!Number.isNaN(this._mark) && this._sinceMark > 0) {
      this._spacingMs =
        Math.min(Math.max(at - this._mark, 0), MARK_MS) / this._sinceMark;
    }
    this._mark = at;
    this._sinceMark = 0;
  }

  /**
   * The append time of the next event.
   *
   * @param isLive - whether the event was appended just now; if not, it is taken to follow the one before at the pace
   * of the marks
   */
  next(isLive: boolean): number {
    let at = this._serverClock.now();
    if (!Number.isNaN(this._mark)) {
      const sinceMarkMs = isLive
        ? at - this._mark
        : this._sinceMark * this._spacingMs;
      at =
        this._sinceMark === 0
          ? this._mark
          : this._mark + Math.min(Math.max(sinceMarkMs, 0), MARK_MS - 1);
    }
    this._sinceMark++;
    this._last = Number.isNaN(this._last) ? at : Math.max(at, this._last);
    return this._last;
  }

  /** Begin a new run. What the server told last still counts: it may not tell it again. */
  clear(): void {
    this._last = NaN;
  }

  private _mark = NaN;
  private _sinceMark = 0;
  private _spacingMs = 1;
  private _last = NaN;
}

/** Events per second over the last five seconds. */
export class RateMeter {
  /** Count one event appended at `at` (unix ms). */
  count(at: number): void {
    const bucket = Math.floor(at / RATE_BUCKET_MS);
    this._forget(bucket);
    if (bucket > this._newest - RATE_BUCKETS) {
      this._counts[bucket % RATE_BUCKETS]++;
    }
    this._firstAt = Math.min(this._firstAt, at);
  }

  /** @param now - unix ms of the clock that stamped the events */
  rate(now: number): number {
    this._forget(Math.floor(now / RATE_BUCKET_MS));
    const total = this._counts.reduce((sum, count) => sum + count, 0);
    // The bucket under way counts by what has passed of it.
    const windowMs =
      (RATE_BUCKETS - 1) * RATE_BUCKET_MS + (now % RATE_BUCKET_MS);
    const spanMs = Math.min(Math.max(now - this._firstAt, 1000), windowMs);
    return total / (spanMs / 1000);
  }

  clear(): void {
    this._counts.fill(0);
    this._newest = -Infinity;
    this._firstAt = Infinity;
  }

  private _forget(bucket: number): void {
    if (bucket <= this._newest) {
      return;
    }
    const stale = Math.min(bucket - this._newest, RATE_BUCKETS);
    for (let i = 0; i < stale; i++) {
      this._counts[(bucket - i) % RATE_BUCKETS] = 0;
    }
    this._newest = bucket;
  }

  private readonly _counts = new Array<number>(RATE_BUCKETS).fill(0);
  private _newest = -Infinity;
  private _firstAt = Infinity;
}
