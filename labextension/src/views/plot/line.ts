import type { Points } from '../../model/points';
import type { Range } from './range';

/** Points per pixel column beyond which only a column's lowest and highest point are drawn. */
const DENSE = 2;
/** Lines with fewer points per pixel than this show them as dots. */
const SPARSE = 1 / 14;

/** Where to draw; a canvas context is one. */
export interface IPen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** The plotting area: what stretch of data it shows, and where, in canvas pixels. */
export interface IArea {
  readonly x: Range;
  readonly y: Range;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The indices of the points that an area shows, and of the one on either side. */
export function shownPart(
  points: Points,
  { x }: IArea
): { from: number; to: number } {
  return {
    from: Math.max(0, points.indexOf(x[0]) - 1),
    to: Math.min(points.length, points.indexAfter(x[1]) + 1)
  };
}

/** Whether so many points are shown that the line is drawn by pixel columns. */
export function isDense(points: Points, area: IArea): boolean {
  const { from, to } = shownPart(points, area);
  return (to - from) / area.width > DENSE;
}

/**
 * Trace a line through the points that an area shows.
 *
 * @param dot - called for each point that deserves a mark of its own: all of a sparse line, and those without a
 * neighbour to be joined to
 */
export function traceLine(
  points: Points,
  area: IArea,
  pen: IPen,
  dot: (x: number, y: number) => void
): void {
  const { from, to } = shownPart(points, area);
  const perPixel = (to - from) / area.width;
  if (perPixel > DENSE) {
    traceColumns(points, from, to, area, pen);
  } else {
    tracePoints(points, from, to, area, pen, perPixel < SPARSE, dot);
  }
}

function tracePoints(
  { x, y }: Points,
  from: number,
  to: number,
  area: IArea,
  pen: IPen,
  isSparse: boolean,
  dot: (x: number, y: number) => void
): void {
  const xScale = area.width / (area.x[1] - area.x[0]);
  const yScale = area.height / (area.y[1] - area.y[0]);
  const bottom = area.top + area.height;
  let isJoined = false;
  for (let i = from; i < to; i++) {
    const value = y[i];
    if (Number.isNaN(value)) {
      isJoined = false;
      continue;
    }
    const px = area.left + (x[i] - area.x[0]) * xScale;
    const py = bottom - (value - area.y[0]) * yScale;
    if (isJoined) {
      pen.lineTo(px, py);
    } else {
      pen.moveTo(px, py);
    }
    const isAlone = !isJoined && (i + 1 === to || Number.isNaN(y[i + 1]));
    if (isSparse || isAlone) {
      dot(px, py);
    }
    isJoined = true;
  }
}

/**
 * The line by pixel columns. Columns stand at fixed places of x, not of the screen, so that a moving picture does not
 * shimmer.
 */
function traceColumns(
  { x, y }: Points,
  from: number,
  to: number,
  area: IArea,
  pen: IPen
): void {
  const columnWidth = (area.x[1] - area.x[0]) / area.width;
  const yScale = area.height / (area.y[1] - area.y[0]);
  const bottom = area.top + area.height;
  const toY = (value: number): number => bottom - (value - area.y[0]) * yScale;
  let isJoined = false;
  let i = from;
  while (i < to) {
    if (Number.isNaN(y[i])) {
      isJoined = false;
      i++;
      continue;
    }
    const column = Math.floor(x[i] / columnWidth);
    const end = (column + 1) * columnWidth;
    let low = i;
    let high = i;
    for (i++; i < to && x[i] < end && !Number.isNaN(y[i]); i++) {
      if (y[i] < y[low]) {
        low = i;
      } else if (y[i] > y[high]) {
        high = i;
      }
    }
    const px = area.left + (end - columnWidth / 2 - area.x[0]) / columnWidth;
    // Both extremes in the order they came: what is between them in the column cannot be seen.
    const sooner = toY(y[Math.min(low, high)]);
    if (isJoined) {
      pen.lineTo(px, sooner);
    } else {
      pen.moveTo(px, sooner);
    }
    if (low !== high) {
      pen.lineTo(px, toY(y[Math.max(low, high)]));
    }
    isJoined = true;
  }
}
