import type { Points } from '../../model/points';
import { drawable, type Range } from './range';

const HEADROOM = 0.1;
/** Below this use of the axis for {@link PATIENCE_MS} it shrinks. */
const LOW_USE = 0.6;
const PATIENCE_MS = 2_000;

/**
 * The range of a y axis: it grows at once and shrinks only after a while, because an axis that jumps cannot be read.
 */
export class YRange {
  /** The range in use; `null` before the first values. */
  get range(): Range | null {
    return this._range;
  }

  /** Forget, e.g. because other lines are shown now: the next fit is exact. */
  reset(): void {
    this._range = null;
  }

  /**
   * Fit the values that are visible now.
   *
   * @param low - the least, `Infinity` when there are none
   * @param high - the greatest
   * @param now - ms, of any steady clock
   */
  fit(low: number, high: number, now: number): Range {
    if (low > high) {
      return this._range ?? [0, 1];
    }
    const current = this._range;
    const fresh = padded(low, high);
    if (current === null) {
      this._range = fresh;
    } else if (low < current[0] || high > current[1]) {
      this._range = [
        low < current[0] ? fresh[0] : current[0],
        high > current[1] ? fresh[1] : current[1]
      ];
      this._lowSince = NaN;
    } else {
      this._shrink(current, fresh, now);
    }
    return this._range ?? fresh;
  }

  private _shrink(current: Range, fresh: Range, now: number): void {
    const use = (fresh[1] - fresh[0]) / (current[1] - current[0]);
    if (use >= LOW_USE) {
      this._lowSince = NaN;
    } else if (Number.isNaN(this._lowSince)) {
      this._lowSince = now;
    } else if (now - this._lowSince >= PATIENCE_MS) {
      this._range = fresh;
      this._lowSince = NaN;
    }
  }

  private _range: Range | null = null;
  private _lowSince = NaN;
}

/** The values with room above and below; zero is kept as the edge where they only touch it. */
function padded(low: number, high: number): Range {
  const span = high - low;
  if (span === 0) {
    const room = low === 0 ? 1 : Math.abs(low) * HEADROOM;
    return drawable([low - room, high + room]);
  }
  const room = span * HEADROOM;
  return drawable([
    low >= 0 && low - room < 0 ? 0 : low - room,
    high <= 0 && high + room > 0 ? 0 : high + room
  ]);
}

/** The least and greatest y of the points with `from` ≤ x ≤ `to`; `[Infinity, -Infinity]` when there are none. */
export function extremes(points: Points, from: number, to: number): Range {
  const { x, y } = points;
  let low = Infinity;
  let high = -Infinity;
  // The point before the window belongs to the line that comes in from the left.
  for (let i = Math.max(0, points.indexOf(from) - 1); i < x.length; i++) {
    if (x[i] > to) {
      break;
    }
    const value = y[i];
    if (value < low) {
      low = value;
    }
    if (value > high) {
      high = value;
    }
  }
  return [low, high];
}
