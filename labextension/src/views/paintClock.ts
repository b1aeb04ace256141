import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

const REFRESH_MS = 500;
/** All cards together may paint this long per frame before frames get fewer. */
const BUDGET_MS = 12;
const RELAXED_MS = 5;
const MIN_FPS = 4;
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
  /** Frames per second at most; a setting. */
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

  /** Something may have changed: look at the next frame. */
  request(): void {
    if (this._frame === null && this._painters.size > 0) {
      this._frame = requestAnimationFrame(now => this._tick(now));
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._painters.clear();
    this._rest();
  }

  private _tick(now: number): void {
    this._frame = null;
    const isReduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const fps = isReduced ? 2 : Math.max(MIN_FPS, this.maxFps / this._slowdown);
    // Half a display frame early is on time.
    if (now - this._paintedAt < 1000 / fps - 8) {
      this.request();
      return;
    }
    const visible = [...this._painters].filter(painter => painter.isInView);
    const eager = visible.filter(painter => painter.wantsFrame());
    if (eager.length > 0) {
      this._paintedAt = now;
      const startedAt = performance.now();
      eager.forEach(painter => painter.paintFrame());
      this._account(performance.now() - startedAt);
    }
    if (eager.length > 0 || visible.some(painter => painter.isMoving)) {
      this.request();
    }
  }

  private _account(tookMs: number): void {
    this._meanMs += SMOOTHING * (tookMs - this._meanMs);
    if (this._meanMs > BUDGET_MS && this.maxFps / this._slowdown > MIN_FPS) {
      this._slowdown *= 2;
      this._meanMs = (BUDGET_MS + RELAXED_MS) / 2;
    } else if (this._meanMs < RELAXED_MS && this._slowdown > 1) {
      this._slowdown /= 2;
      this._meanMs = (BUDGET_MS + RELAXED_MS) / 2;
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
    if (this._frame !== null) {
      cancelAnimationFrame(this._frame);
      this._frame = null;
    }
  }

  private readonly _painters = new Set<IPainter>();
  private _timer: ReturnType<typeof setInterval> | null = null;
  private _frame: number | null = null;
  private _paintedAt = -Infinity;
  private _meanMs = 0;
  private _slowdown = 1;
  private _isDisposed = false;
}
