import { formatNumber, type NumberFormat, type TimeFormat } from '../format';

/**
 * The distances that ticks of numbers may have, in ascending order: 1, 2, 2.5 and 5 times the powers of ten. uPlot's own end
 * at 1e32, and beyond an axis would have no ticks.
 */
export const NUMBER_STEPS: readonly number[] = Array.from(
  { length: 32 + 308 },
  (_, i) => [1, 2, 2.5, 5].map(lead => Number(`${lead}e${i - 32}`))
).flat();

const SPACE_PX = 76;
const EXACT_SPACE_PX = 110;
/** The longest step between ticks that is no whole second. */
const LONGEST_PART_MS = 500;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * How far apart the ticks of a time axis stand at least: CSS px. Those of parts of a second have longer labels.
 *
 * @param spanMs - what the axis shows
 * @param width - of the axis: CSS px
 */
export function timeTickSpace(spanMs: number, width: number): number {
  return (spanMs / width) * SPACE_PX <= LONGEST_PART_MS
    ? EXACT_SPACE_PX
    : SPACE_PX;
}

/** Labels for the ticks of a time axis, as exact as their distance needs. */
export function timeTicks(
  splits: readonly number[],
  stepMs: number,
  format: TimeFormat
): string[] {
  return splits.map(at => {
    if (stepMs >= DAY_MS || format.time(at) === '00:00:00') {
      return format.day(at);
    }
    if (stepMs >= MINUTE_MS) {
      return format.minute(at);
    }
    if (stepMs >= 1000) {
      return format.time(at);
    }
    return format.exactTime(at);
  });
}

/** Labels for the ticks of a number axis, all with the decimals that their distance needs. */
export function numberTicks(
  splits: readonly number[],
  step: number,
  format: NumberFormat
): string[] {
  const largest = Math.max(...splits.map(Math.abs));
  if (format === 'scientific' || largest >= 1e21 || step < 1e-6) {
    return splits.map(value =>
      formatNumber(value, 'scientific').replace(/\.?0+e/, 'e')
    );
  }
  if (format === 'si' && largest >= 10_000) {
    const power = Math.min(Math.floor(Math.log10(largest) / 3), 6);
    const scale = 1000 ** power;
    const decimals = decimalsOf(step / scale);
    const prefix = ['', 'k', 'M', 'G', 'T', 'P', 'E'][power];
    return splits.map(value =>
      value === 0 ? '0' : `${(value / scale).toFixed(decimals)}${prefix}`
    );
  }
  const decimals = decimalsOf(step);
  return splits.map(value => value.toFixed(decimals));
}

function decimalsOf(step: number): number {
  const size = Math.floor(Math.log10(step) + 1e-9);
  return Math.min(Math.max(0, (isQuarter(step) ? 1 : 0) - size), 9);
}

/** 0.25 and 2.5 need one digit more than their size says. */
function isQuarter(step: number): boolean {
  const lead = step / 10 ** Math.floor(Math.log10(step) + 1e-9);
  return Math.abs(lead - 2.5) < 1e-6;
}
