import type { IEvent } from './event';
import { isNumber } from './number';
import type { Fields } from './value';

/** What a plot's x axis counts. */
export type XAxis =
  /** When the server appended the event. */
  | { readonly kind: 'append' }
  /** The event's number within its run. */
  | { readonly kind: 'ordinal' }
  /** The point's number within the run: what events that hold many points are drawn over. */
  | { readonly kind: 'point' }
  /** A field that holds a point in time; `isLocal` when it names no zone. */
  | { readonly kind: 'time'; readonly key: string; readonly isLocal: boolean }
  | { readonly kind: 'number'; readonly key: string };

/** Names for the axes that are no field of the event, as `view.x` gives them. */
export const APPEND_TIME = '@time';
export const ORDINAL = '@n';
export const POINT = '@point';

const STEP_KEYS = [
  'step',
  'global_step',
  'iteration',
  'iter',
  'i',
  'epoch',
  'batch',
  'frame'
];
const TIME_KEYS = [
  'time',
  'timestamp',
  'ts',
  't',
  'datetime',
  'date',
  '@timestamp'
];
/** The fields that the rules take for x, the first that there is before the others. */
export const X_KEYS: readonly string[] = ['x', ...STEP_KEYS, ...TIME_KEYS];
const IS_X_KEY = new Set(X_KEYS);

/** Whether the rules take this field for x rather than for a value. */
export function isXKey(key: string): boolean {
  return IS_X_KEY.has(key);
}

/**
 * Choose the x axis for events like this one.
 *
 * @param fields - a flattened event
 * @param wanted - the user's choice: a field, {@link APPEND_TIME}, {@link ORDINAL}, {@link POINT}, or `null`
 * @param isBlock - whether x is a list as well; without one the time would put all points on one spot
 */
export function chooseAxis(
  fields: Fields,
  wanted: string | null,
  isBlock = false
): XAxis {
  if (wanted === APPEND_TIME) {
    return { kind: 'append' };
  }
  if (wanted === ORDINAL) {
    return { kind: 'ordinal' };
  }
  if (wanted === POINT) {
    return { kind: 'point' };
  }
  for (const key of wanted === null ? X_KEYS : [wanted]) {
    const axis = axisOf(key, isBlock ? sampleOf(fields[key]) : fields[key]);
    if (axis !== null) {
      return axis;
    }
  }
  return { kind: isBlock ? 'point' : 'append' };
}

/** The first item of a list that is there. */
function sampleOf(list: unknown): unknown {
  return Array.isArray(list) ? list.find(item => item !== null) : undefined;
}

function axisOf(key: string, value: unknown): XAxis | null {
  if (typeof value === 'string') {
    return parseTime(value) === null
      ? null
      : { kind: 'time', key, isLocal: !hasZone(value) };
  }
  if (!isNumber(value)) {
    return null;
  }
  // Seconds since the start of a simulation are called `t` as well: those are numbers.
  const isTime = TIME_KEYS.includes(key) && parseTime(value) !== null;
  return isTime
    ? { kind: 'time', key, isLocal: false }
    : { kind: 'number', key };
}

/** Where an event stands on the axes that are no field of it. */
export type Place = Pick<IEvent, 'at' | 'ordinal' | 'lastPoint'>;

/**
 * The event's x on this axis.
 *
 * @returns `null` when the event has none
 */
export function xOf(axis: XAxis, fields: Fields, place: Place): number | null {
  switch (axis.kind) {
    case 'append':
      return place.at;
    case 'ordinal':
      return place.ordinal;
    case 'point':
      return place.lastPoint;
    case 'time':
      return parseTime(fields[axis.key]);
    case 'number': {
      const value = fields[axis.key];
      return isNumber(value) ? value : null;
    }
  }
}

/**
 * The x of each point of a block on this axis.
 *
 * @param before - the x of a point that has none, where no other is before it
 * @param xs - filled; as many as the block has points
 */
export function fillXs(
  axis: XAxis,
  fields: Fields,
  place: Place,
  before: number,
  xs: Float64Array
): void {
  if (axis.kind === 'point') {
    const first = place.lastPoint - xs.length + 1;
    for (let i = 0; i < xs.length; i++) {
      xs[i] = first + i;
    }
    return;
  }
  const list = 'key' in axis ? fields[axis.key] : null;
  if (!Array.isArray(list)) {
    xs.fill(xOf(axis, fields, place) ?? before);
    return;
  }
  const isTime = axis.kind === 'time';
  let x = before;
  for (let i = 0; i < xs.length; i++) {
    const item: unknown = list[i];
    x = (isTime ? parseTime(item) : isNumber(item) ? item : null) ?? x;
    xs[i] = x;
  }
}

const YEAR_2000_S = 946_684_800;
const YEAR_2100_S = 4_102_444_800;
const ISO_8601 =
  /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Read a point in time: ISO 8601, or a number of s, ms, µs or ns that falls into the years 2000 to 2100.
 *
 * @returns unix ms, or `null`
 */
export function parseTime(value: unknown): number | null {
  if (isNumber(value)) {
    for (const unitsPerSecond of [1, 1e3, 1e6, 1e9]) {
      const seconds = value / unitsPerSecond;
      if (seconds >= YEAR_2000_S && seconds < YEAR_2100_S) {
        return seconds * 1000;
      }
    }
    return null;
  }
  if (typeof value !== 'string' || !ISO_8601.test(value)) {
    return null;
  }
  // A date alone is UTC to the parser; like every time without a zone it is local here.
  const text = value.length === 10 ? `${value}T00:00` : value;
  const ms = Date.parse(text.replace(' ', 'T').replace(',', '.'));
  return Number.isNaN(ms) ? null : ms;
}

function hasZone(iso: string): boolean {
  return /(?:Z|[+-]\d{2}:?\d{2})$/.test(iso.slice(10));
}
