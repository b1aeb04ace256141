import { parseObject } from './json';

const POSITION = /^([0-9A-Za-z]{11})-(\d+)-(\d+)$/;

/** Where an event stands among all of its server. */
export interface IPosition {
  /** The life of the server's log. */
  readonly epoch: string;
  /** Counts over all streams. */
  readonly seq: number;
  /** Counts within the stream, over its runs. */
  readonly n: number;
}

/** The number at the end of a position. */
const NUMBER = /-(\d+)$/;

/** @returns `null` for what is no position, such as a producer's own id */
export function readPosition(id: string | null): IPosition | null {
  const match = id === null ? null : POSITION.exec(id);
  return (
    match && {
      epoch: match[1],
      seq: Number(match[2]),
      n: Number(match[3])
    }
  );
}

/** @returns the number at the end of a cursor, or `null` for a producer's own id */
export function numberIn(cursor: string): number | null {
  const match = NUMBER.exec(cursor);
  return match && Number(match[1]);
}

/**
 * Make a connection's position one stream's own: the number in a cursor counts in the stream that is asked for.
 *
 * @param n - the number of the stream's newest event, or `null` where it is not known
 */
export function ownPosition(position: string, n: number | null): string {
  return position.replace(NUMBER, `-${n ?? 0}`);
}

/** The stream's own cursor that `sse.ready` tells, or `null`. */
export function readyCursor(data: string): string | null {
  const { cursor } = parseObject(data);
  return typeof cursor === 'string' ? cursor : null;
}
