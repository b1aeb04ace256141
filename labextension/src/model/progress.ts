import { isNumber } from './number';
import type { Fields, Value } from './value';

const DONE_KEYS = ['n', 'current', 'done'];
const LABEL_KEYS = ['desc', 'description', 'message', 'msg', 'text', 'name'];

/** How far something is. */
export interface IProgress {
  /** 0 to 1, or `null` when the end is unknown. */
  readonly share: number | null;
  readonly done: number | null;
  readonly total: number | null;
  /** What is being done, or the empty text. */
  readonly label: string;
  /** What is counted, or the empty text. */
  readonly unit: string;
  /** Seconds so far and seconds left, and the pace per second; `null` where the event does not tell. */
  readonly elapsed: number | null;
  readonly remaining: number | null;
  readonly rate: number | null;
}

/** Read an event as progress; `null` when it tells none. */
export function readProgress(value: Value): IProgress | null {
  if (value.kind === 'text' || value.fields === null) {
    return null;
  }
  const { fields } = value;
  const done = numberOf(fields, DONE_KEYS);
  const total = numberOf(fields, ['total']);
  const share = shareOf(fields, done, total);
  if (share === null && done === null) {
    return null;
  }
  return {
    share: share === null ? null : Math.min(Math.max(share, 0), 1),
    done,
    total,
    label: textOf(fields, LABEL_KEYS),
    unit: textOf(fields, ['unit']),
    elapsed: numberOf(fields, ['elapsed']),
    remaining: numberOf(fields, ['remaining']),
    rate: numberOf(fields, ['rate'])
  };
}

function shareOf(
  fields: Fields,
  done: number | null,
  total: number | null
): number | null {
  if (done !== null && total !== null && total > 0) {
    return done / total;
  }
  const share = numberOf(fields, ['progress']);
  const percent = numberOf(fields, ['percent']);
  return share ?? (percent === null ? null : percent / 100);
}

function numberOf(fields: Fields, keys: string[]): number | null {
  const key = keys.find(one => isNumber(fields[one]));
  return key === undefined ? null : (fields[key] as number);
}

function textOf(fields: Fields, keys: string[]): string {
  const key = keys.find(one => typeof fields[one] === 'string');
  return key === undefined ? '' : (fields[key] as string);
}
