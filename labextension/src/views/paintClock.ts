import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

const REFRESH_MS = 500;
/** All cards together may paint for this share of the time before frames get fewer: 12 ms at 30 a second. */
const BUDGET = 0.36;
/** Below this share frames get more again; less than half of the budget, so that it does not swing. */
const RELAXED = 0.15;
/** Where all cards together paint in this time, news need not wait for the frame that is due: ms. */
const QUICK_MS = 6;
const MIN_FPS = 4;
/** Half a frame of a usual screen early is on time: ms. */
const EARLY_MS = 8;
/** For those who asked their system for less motion. */
const REDUCED_FPS = 2;
const SMOOTHING = 0.1;

/** A card that paints. */
export interface IPainter {
  /** Whether anyone can see it. */
  readonly isInView: boolean;
  /** Whether its picture moves by itself, so that it must be asked again at each frame. */
  readonly isMoving: boolean;
  /** Whether its picture would change now. */
  wantsFrame(): boolean;
  paintFrame(): void;
  /** Bring up to date what changes by itself: rates, countdowns. Twice a second while visible. */
  refresh(): void;
}

/**
 * One clock for all cards of a page: frames only while a visible card has something to show, fewer of them when
 * painting gets expensive. Data are never dropped for it.
 */
export class PaintClock implements IDisposable {
  /** Frames per second at most, of what moves and of what is new; a setting. */
  maxFps = 30;

  /** Whether frames are fewer than set, because painting takes too long. */
  get isSlowed(): boolean {
    return this._slowdown > 1;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  add(painter: IPainter): IDisposable {
    this._painters.add(painter);
    this._timer ??= setInterval(() => this._refresh(), REFRESH_MS);
    this.request();
    return new DisposableDelegate(() => {
      this._painters.delete(painter);
      if (this._painters.size === 0) {
        this._rest();
      }
    });
  }

  /** Something may have changed: look at the next frame that is due. */
  request(): void {
    this._plan(this._lookedAt);
  }

  /**
   * There is news. It is seen at the next frame of the screen where none was just before, although a picture that moves
   * by itself has been painted meanwhile.
   */
  requestNews(): void {
    this._hasNews = true;
    const isQuick = this._meanMs <= QUICK_MS && !this._reducedMotion.matches;
    this._plan(isQuick ? this._newsAt : this._lookedAt);
  }

  dispose(): void {
    this._isDisposed = true;
    this._painters.clear();
    this._rest();
  }

  private get _fps(): number {
    return this._reducedMotion.matches
      ? REDUCED_FPS
      : Math.max(MIN_FPS, this.maxFps / this._slowdown);
  }

  /** Look at the first frame of the screen that is far enough from `since`, or earlier where that was planned. */
  private _plan(since: number): void {
    const dueAt = since + 1000 / this._fps - EARLY_MS;
    const isPlanned = this._wait !== null && this._dueAt <= dueAt;
    if (this._frame !== null || isPlanned || this._painters.size === 0) {
      return;
    }
    this._cancelWait();
    this._dueAt = dueAt;
    const waitMs = dueAt - performance.now();
    if (waitMs > EARLY_MS / 2) {
      this._wait = setTimeout(() => {
        this._wait = null;
        this._requestFrame();
      }, waitMs);
    } else {
      this._requestFrame();
    }
  }

  private _requestFrame(): void {
    this._frame = requestAnimationFrame(() => {
      this._frame = null;
      this._lookedAt = performance.now();
      if (this._hasNews) {
        this._hasNews = false;
        this._newsAt = this._lookedAt;
      }
      this._tick();
    });
  }

  private _tick(): void {
    const visible = [...this._painters].filter(painter => painter.isInView);
    const eager = visible.filter(painter => painter.wantsFrame());
    if (eager.length > 0) {
      eager.forEach(painter => painter.paintFrame());
      this._account(performance.now() - this._lookedAt);
    }
    if (eager.length > 0 || visible.some(painter => painter.isMoving)) {
      this.request();
    }
  }

  private _account(tookMs: number): void {
    this._meanMs += SMOOTHING * (tookMs - this._meanMs);
    const share = (this._meanMs * this._fps) / 1000;
    if (share > BUDGET && this._fps > MIN_FPS) {
      this._slowdown *= 2;
    } else if (share < RELAXED && this._slowdown > 1) {
      this._slowdown /= 2;
    }
  }

  private _refresh(): void {
    for (const painter of this._painters) {
      if (painter.isInView && document.visibilityState === 'visible') {
        painter.refresh();
      }
    }
    this.request();
  }

  private _rest(): void {
    if (this._timer !== null) {
      clearInterval(this._timer);
      this._timer = null;
    }
    this._cancelWait();
    if (this._frame !== null) {
      cancelAnimationFrame(this._frame);
      this._frame = null;
    }
  }

  private _cancelWait(): void {
    if (this._wait !== null) {
      clearTimeout(this._wait);
      this._wait = null;
    }
  }

  // Asking for it anew costs more than a frame's other checks together.
  private readonly _reducedMotion = matchMedia(
    '(prefers-reduced-motion: reduce)'
  );
  private readonly _painters = new Set<IPainter>();
  private _timer: ReturnType<typeof setInterval> | null = null;
  private _frame: number | null = null;
  private _wait: ReturnType<typeof setTimeout> | null = null;
  /** When the planned look is due. */
  private _dueAt = -Infinity;
  private _lookedAt = -Infinity;
  private _hasNews = false;
  /** When news was looked at last. */
  private _newsAt = -Infinity;
  private _meanMs = 0;
  private _slowdown = 1;
  private _isDisposed = false;
}
