/** A stretch of an axis. */
export type Range = readonly [min: number, max: number];

/** The edge of every axis: the distance of two numbers within is finite. */
const LARGEST = Number.MAX_VALUE / 4;
/** Of the size of its numbers: in a narrower stretch the next tick could be the same number. */
const NARROWEST = 1e-13;
const LEAST = 1e-300;

/** A range that can be divided into ticks and pixels, whatever numbers it shall show. */
export function drawable([from, to]: Range): Range {
  const min = Math.max(from, -LARGEST);
  const max = Math.min(to, LARGEST);
  const least = Math.max(
    Math.max(Math.abs(min), Math.abs(max)) * NARROWEST,
    LEAST
  );
  const missing = (least - (max - min)) / 2;
  return missing > 0 ? [min - missing, max + missing] : [min, max];
}
