import type { IGap } from './event';
import { type Fields, isFields } from './value';

/** One life of a producer, as `sse.run` tells it. */
export interface IRun {
  readonly run: number | null;
  /** Whether it takes place for this reader alone, and ends when it has left. */
  readonly isOwn: boolean;
  readonly producer: {
    readonly kernel: string;
    readonly label: string;
  } | null;
  /** What its options say of the view. */
  readonly view: Fields;
  /** Where it was started, e.g. "cell 2", or the empty text. */
  readonly origin: string;
}

/** What a producer raised. */
export interface IFailure {
  readonly type: string;
  readonly message: string;
  /** Of the cell that started the run; `null` where it is not known. */
  readonly line: number | null;
}

/** Why a stream has ended, as `sse.end` tells it. */
export interface IEnd {
  /** `done`, `stopped`, `error`, `lost` or `refused`. */
  readonly reason: string;
  /** An HTTP status where the stream was refused, else `null`. */
  readonly status: number | null;
  readonly error: IFailure | null;
  /** Unix ms; `NaN` when nothing tells. */
  readonly at: number;
}

export function readRun(data: Fields): IRun {
  const producer = isFields(data.producer) ? data.producer : null;
  const options = isFields(data.options) ? data.options : {};
  return {
    run: numberOf(data.run),
    isOwn: data.kind === 'visit',
    producer: producer && {
      kernel: textOf(producer.kernel),
      label: textOf(producer.label)
    },
    view: isFields(options.view) ? options.view : {},
    origin: textOf(options.origin)
  };
}

export function readEnd(data: Fields, at: number): IEnd {
  const error = isFields(data.error) ? data.error : null;
  return {
    reason: textOf(data.reason) || 'done',
    status: numberOf(data.status),
    error: error && {
      type: textOf(error.type) || 'Error',
      message: textOf(error.message),
      line: numberOf(error.line)
    },
    at
  };
}

/** @param after - events received so far */
export function readGap(data: Fields, after: number): IGap {
  const lost = isFields(data.lost) ? data.lost : {};
  return { reason: textOf(data.reason), count: numberOf(lost.count), after };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
