import { isXKey, parseTime, X_KEYS } from './axis';
import { isNumber, isNumberList } from './number';
import type { Fields, Value } from './value';

/**
 * What a dict of lists of one length holds: so many points, with a value in each list.
 *
 * #### Notes
 * Its fields that are lists are lists of numbers, or of times. An item that is null, or that no axis can hold, is missing.
 */
export interface IBlock {
  /** Points of the event, at least one. */
  readonly length: number;
  /** The fields that are lists of numbers, in their order. */
  readonly lists: readonly string[];
  /** Those of them that the rules do not take for x, at least one. */
  readonly values: readonly string[];
  /** Whether any of the values is a number. */
  readonly hasNumbers: boolean;
  /**
   * Whether the event has numbers beside its lists, and no list that the rules take for x: then it is one point of those
   * numbers, unless the user takes a list for x.
   */
  readonly isBeside: boolean;
}

/**
 * Read an event as a block.
 *
 * @param fields - a flattened event
 * @returns `null` for one without lists of numbers, with lists of several lengths, or with lists of anything else
 */
export function readBlock(fields: Fields): IBlock | null {
  let length = 0;
  let hasNumbers = false;
  const lists: string[] = [];
  for (const key in fields) {
    const list = fields[key];
    if (!Array.isArray(list)) {
      continue;
    }
    const content = contentOf(list);
    if (content === 'other' || (length > 0 && list.length !== length)) {
      return null;
    }
    length = list.length;
    if (content !== 'times') {
      lists.push(key);
      hasNumbers ||= content === 'numbers' && !isXKey(key);
    }
  }
  const values = lists.filter(key => !isXKey(key));
  return values.length === 0
    ? null
    : { length, lists, values, hasNumbers, isBeside: isBeside(fields) };
}

/** Whether a store over this x draws the event's lists, not the numbers beside them. */
export function drawsLists(
  block: IBlock,
  fields: Fields,
  wantedX: string | null
): boolean {
  return (
    !block.isBeside || (wantedX !== null && Array.isArray(fields[wantedX]))
  );
}

/** How many points an event is on an axis that counts them. */
export function pointsIn(value: Value): number {
  if (value.kind === 'text') {
    return 0;
  }
  const { value: json, fields, block } = value;
  if (block !== null && !block.isBeside) {
    return block.length;
  }
  const hasNumber =
    fields === null
      ? isNumber(json) || isNumberList(json)
      : Object.values(fields).some(isNumber);
  return hasNumber ? 1 : 0;
}

/** What a list holds, nulls left out; `'nothing'` when those are all. */
function contentOf(list: unknown[]): 'numbers' | 'times' | 'nothing' | 'other' {
  let type = 'object';
  let first: unknown = null;
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (item === null) {
      continue;
    }
    if (first === null) {
      first = item;
      type = typeof item;
    } else if (typeof item !== type) {
      return 'other';
    }
  }
  if (type === 'number') {
    return 'numbers';
  }
  if (type === 'string') {
    return parseTime(first) === null ? 'other' : 'times';
  }
  return first === null && list.length > 0 ? 'nothing' : 'other';
}

function isBeside(fields: Fields): boolean {
  if (X_KEYS.some(key => Array.isArray(fields[key]))) {
    return false;
  }
  for (const key in fields) {
    if (isNumber(fields[key]) && !isXKey(key)) {
      return true;
    }
  }
  return false;
}
