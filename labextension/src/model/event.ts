/** One event of a stream as the page keeps it. */
export interface IEvent {
  /** Its number among the events this page has received of the run, from 1. */
  readonly ordinal: number;
  /** The number of its last point among the points this page has received of the run, from 1. */
  readonly lastPoint: number;
  /** When the server appended it, as far as the page knows: unix ms. */
  readonly at: number;
  readonly type: string;
  readonly id: string | null;
  readonly data: string;
}

/** Why events are missing, in the server's words. */
export type GapReason =
  'evicted' | 'epoch' | 'ahead' | 'unknown-id' | 'overflow';

/** Events that this reader asked for and that are no longer held. */
export interface IGap {
  readonly reason: string;
  /** How many, or `null` when the server does not know. */
  readonly count: number | null;
  /** The number of the event before it, 0 when there is none. */
  readonly after: number;
}

/** Event types that are drawn as flags, whatever the view. */
const FLAG_TYPES = new Set(['error', 'warning', 'mark', 'annotation']);

/** Whether an event of this type is a remark on the data rather than data. */
export function isFlagType(type: string): boolean {
  return FLAG_TYPES.has(type);
}
