import type { IGapBand, ISeries } from '../../model/plotStore';
import { drawable, type Range } from './range';
import { ALL, type Width } from './window';

/** The narrowest stretch of time that is shown while a run is young. */
const MIN_TIME_MS = 10_000;
/** What a zoom cannot go below. */
const MIN_SPAN_MS = 10;

/** What the axis stands on at the moment of painting. */
export interface IExtent {
  readonly isTime: boolean;
  /** Whether the right edge is the present, and so moves. */
  readonly isLive: boolean;
  /** The right edge: the server's now for a live axis of time, else the newest x. */
  readonly edge: number;
  readonly series: readonly ISeries[];
}

/**
 * The stretch of x that a plot shows: it follows the newest end with a width, or stands still where the user put it.
 *
 * New data never move a view that stands still, and changing the width does not stop the following.
 */
export class Viewport {
  /** The width the user chose, or `null` for the one that fits. */
  chosenWidth: Width | null = null;

  /** The width in use while nothing is chosen. */
  automaticWidth: Width = ALL;

  get width(): Width {
    return this.chosenWidth ?? this.automaticWidth;
  }

  get isFollowing(): boolean {
    return this._detached === null;
  }

  /** Follow the newest end again. */
  follow(): void {
    this._detached = null;
  }

  /** Stand still. */
  detach(range: Range): void {
    this._detached = range;
  }

  /** The range of x to show now, or `null` when there is nothing to show. */
  range(extent: IExtent): Range | null {
    const range = this._detached ?? this._following(extent);
    return range && drawable(range);
  }

  /**
   * Zoom around a point: the width changes, and a view that follows keeps following.
   *
   * @param factor - less than 1 shows less
   * @param anchor - the x that stays where it is in a view that stands still
   */
  zoom(extent: IExtent, factor: number, anchor: number): void {
    const range = this.range(extent);
    if (range === null) {
      return;
    }
    const span = Math.max((range[1] - range[0]) * factor, MIN_SPAN_MS * 1e-3);
    if (this._detached !== null) {
      const share = (anchor - range[0]) / (range[1] - range[0]);
      this._detached = [anchor - share * span, anchor + (1 - share) * span];
    } else {
      this.setSpan(extent, span);
    }
  }

  /** Follow with a width given in units of x. */
  setSpan(extent: IExtent, span: number): void {
    if (extent.isTime) {
      this.chosenWidth = { kind: 'time', ms: Math.max(span, MIN_SPAN_MS) };
      return;
    }
    const longest = longestSeries(extent.series);
    const from = longest?.points.indexOf(extent.edge - span) ?? 0;
    const points = (longest?.points.length ?? 0) - from;
    this.chosenWidth = { kind: 'points', points: Math.max(points, 2) };
  }

  /** Move a view that stands still by a share of its width. */
  pan(extent: IExtent, share: number): void {
    const range = this.range(extent);
    if (range !== null) {
      const step = (range[1] - range[0]) * share;
      this._detached = [range[0] + step, range[1] + step];
    }
  }

  private _following(extent: IExtent): Range | null {
    const first = firstX(extent.series);
    const { edge } = extent;
    if (Number.isNaN(first) || Number.isNaN(edge)) {
      return null;
    }
    const width = this.width;
    if (width.kind === 'points') {
      const points = longestSeries(extent.series)?.points;
      const from = points?.x[Math.max(0, points.length - width.points)];
      return widen(from ?? first, edge, extent.isTime);
    }
    if (width.kind === 'time' && extent.isTime) {
      // A young run begins at the left edge and fills the window; an old one slides through it.
      const least = extent.isLive ? MIN_TIME_MS : 0;
      const span = Math.min(Math.max(edge - first, least), width.ms);
      return edge - first > span
        ? [edge - span, edge]
        : widen(first, first + span, true);
    }
    return widen(first, edge, extent.isTime);
  }

  private _detached: Range | null = null;
}

/**
 * The range that brings a gap into the middle, with as much around it as is shown now, and at least half of its width.
 *
 * @returns `null` for a gap with nothing before and nothing after it
 */
export function around({ from, to }: IGapBand, shown: Range): Range | null {
  const [start, end] = [
    Number.isNaN(from) ? to : from,
    Number.isNaN(to) ? from : to
  ];
  if (Number.isNaN(start)) {
    return null;
  }
  const half = Math.max(shown[1] - shown[0], 2 * (end - start)) / 2;
  const middle = start + (end - start) / 2;
  return [middle - half, middle + half];
}

/** A range that is not empty. */
function widen(from: number, to: number, isTime: boolean): Range {
  if (to - from > 0) {
    return [from, to];
  }
  return isTime ? [from, from + MIN_TIME_MS] : [from - 0.5, from + 0.5];
}

function firstX(series: readonly ISeries[]): number {
  let first = NaN;
  for (const { points, past } of series) {
    for (const line of [points, ...past]) {
      first = Number.isNaN(first) ? line.firstX : Math.min(first, line.firstX);
    }
  }
  return first;
}

function longestSeries(series: readonly ISeries[]): ISeries | null {
  return series.reduce<ISeries | null>(
    (best, one) =>
      best === null || one.points.length > best.points.length ? one : best,
    null
  );
}
