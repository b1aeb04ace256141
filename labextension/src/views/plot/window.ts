/** How much of the x axis a following view shows. */
export type Width =
  | { readonly kind: 'all' }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'points'; readonly points: number };

export const ALL: Width = { kind: 'all' };

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['sec', 1_000],
  ['second', 1_000],
  ['m', 60_000],
  ['min', 60_000],
  ['minute', 60_000],
  ['h', 3_600_000],
  ['hour', 3_600_000],
  ['d', 86_400_000],
  ['day', 86_400_000]
]);

/** What the window menu offers for an axis of time. */
export const TIME_WIDTHS = ['10 s', '60 s', '5 min', '15 min', '1 h', 'all'];
/** What it offers for an axis of numbers. */
export const POINT_WIDTHS = ['100', '1000', '10000', 'all'];

/**
 * Read a window as people write it: `60s`, `5 min`, `1h`, `all`, or a number of points.
 *
 * @returns `null` when it is none of these
 */
export function parseWidth(text: string): Width | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (match === null) {
    return text.trim().toLowerCase() === 'all' ? ALL : null;
  }
  const amount = Number(match[1]);
  const unit = match[2].toLowerCase();
  if (amount <= 0) {
    return null;
  }
  if (unit === '' || /^points?$/.test(unit)) {
    return { kind: 'points', points: Math.max(2, Math.round(amount)) };
  }
  const ms = UNIT_MS.get(unit) ?? UNIT_MS.get(unit.replace(/s$/, ''));
  return ms === undefined ? null : { kind: 'time', ms: amount * ms };
}

/** A window as the toolbar shows it: "Last 60 s". */
export function describeWidth(width: Width): string {
  switch (width.kind) {
    case 'all':
      return 'All';
    case 'points':
      return `Last ${width.points.toLocaleString('en-US')}`;
    case 'time':
      return `Last ${describeMs(width.ms)}`;
  }
}

function describeMs(ms: number): string {
  const seconds = ms / 1000;
  if (seconds <= 120) {
    return `${Number(seconds.toPrecision(3))} s`;
  }
  return seconds < 3600
    ? `${Number((seconds / 60).toPrecision(3))} min`
    : `${Number((seconds / 3600).toPrecision(3))} h`;
}

/** What is known of a run when its window is chosen. */
export interface IPace {
  /** Whether x is a time. */
  readonly isTime: boolean;
  /** Events within five seconds of the first. */
  readonly earlyEvents: number;
  readonly events: number;
  /** From the first event to now, in ms. */
  readonly ageMs: number;
}

/** The window that a view takes when nobody chose one. */
export function defaultWidth(pace: IPace): Width {
  if (!pace.isTime) {
    return ALL;
  }
  const earlySeconds = Math.min(Math.max(pace.ageMs / 1000, 1), 5);
  if (pace.earlyEvents / earlySeconds > 2) {
    return { kind: 'time', ms: 60_000 };
  }
  const isRare =
    pace.ageMs > 180_000 && pace.events / (pace.ageMs / 60_000) < 1;
  return isRare ? ALL : { kind: 'time', ms: 15 * 60_000 };
}
