import type { ISeries } from '../../model/plotStore';

/** Magnitudes further apart than this do not share an axis. */
const MAX_RATIO = 100;
const SAMPLE = 64;

/**
 * Choose the axis of each series: those of a much larger or smaller magnitude than the first go to the right.
 *
 * @returns the names of the series on the right axis; empty when one axis does for all
 */
export function rightSide(series: readonly ISeries[]): Set<string> {
  const sized = series
    .map(one => ({ name: one.name, size: magnitude(one) }))
    .filter(one => one.size > 0)
    .sort((a, b) => a.size - b.size);
  if (
    sized.length < 2 ||
    sized[sized.length - 1].size / sized[0].size <= MAX_RATIO
  ) {
    return new Set();
  }
  // The widest step between neighbours parts the two clusters.
  let cut = 1;
  for (let i = 2; i < sized.length; i++) {
    if (
      sized[i].size / sized[i - 1].size >
      sized[cut].size / sized[cut - 1].size
    ) {
      cut = i;
    }
  }
  const low = new Set(sized.slice(0, cut).map(one => one.name));
  const high = new Set(sized.slice(cut).map(one => one.name));
  const first = series.find(one => low.has(one.name) || high.has(one.name));
  return first !== undefined && low.has(first.name) ? high : low;
}

/** The median size of the newest values that are not zero; 0 when there are none. */
function magnitude({ points }: ISeries): number {
  const { y } = points;
  const sizes: number[] = [];
  for (let i = y.length - 1; i >= 0 && sizes.length < SAMPLE; i--) {
    const size = Math.abs(y[i]);
    if (size > 0) {
      sizes.push(size);
    }
  }
  sizes.sort((a, b) => a - b);
  return sizes[sizes.length >> 1] ?? 0;
}
