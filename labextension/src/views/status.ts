import type { StreamModel } from '../model/stream';
import type { ConnectionState } from '../tokens';

/** The state of a stream as its card shows it, each with a shape, a word and a colour of its own. */
export type StatusKind =
  | 'connecting'
  | 'catching-up'
  | 'waiting'
  | 'live'
  | 'lost'
  | 'ended'
  | 'stopped'
  | 'failed'
  | 'gone'
  | 'unknown'
  | 'reconnecting'
  | 'busy'
  | 'signed-out'
  | 'forbidden'
  | 'missing';

export interface IStatus {
  readonly kind: StatusKind;
  /** When the page tries again (unix ms of this machine), or `null`. */
  readonly retryAt: number | null;
  /** Since when it has been so (unix ms of this machine), or `null`. */
  readonly since: number | null;
}

/** What a card says about a stream and the connection that brings it. */
export function statusOf(
  model: StreamModel,
  connection: ConnectionState
): IStatus {
  const ended = endOf(model);
  // What is over is told as over, whether or not the server can be reached.
  if (ended !== null && model.isReady) {
    return plain(ended);
  }
  switch (connection.kind) {
    case 'waiting':
    case 'busy':
      return {
        kind: connection.kind === 'busy' ? 'busy' : 'reconnecting',
        retryAt: connection.retryAt,
        since: connection.since
      };
    case 'signed-out':
    case 'forbidden':
    case 'missing':
      return plain(connection.kind);
    case 'idle':
    case 'connecting':
      return plain('connecting');
    case 'open':
      return plain(ended ?? openKind(model));
  }
}

function openKind(model: StreamModel): StatusKind {
  if (!model.isReady) {
    return model.events > 0 ? 'catching-up' : 'connecting';
  }
  if (model.producer === 'lost') {
    return 'lost';
  }
  return model.events > 0 ? 'live' : 'waiting';
}

function endOf({ end }: StreamModel): StatusKind | null {
  if (end === null) {
    return null;
  }
  if (end.status === 404) {
    return 'unknown';
  }
  if (end.status === 401 || end.status === 403) {
    return 'forbidden';
  }
  switch (end.reason) {
    case 'error':
    case 'refused':
      return 'failed';
    case 'lost':
      return 'gone';
    case 'stopped':
      return 'stopped';
    default:
      return 'ended';
  }
}

function plain(kind: StatusKind): IStatus {
  return { kind, retryAt: null, since: null };
}

/** Shape and word of each state; the colour is the style sheet's. */
export const STATUS_WORDS: {
  readonly [Kind in StatusKind]: readonly [shape: string, word: string];
} = {
  connecting: ['◌', 'connecting'],
  'catching-up': ['◐', 'catching up'],
  waiting: ['◌', 'waiting'],
  live: ['●', 'live'],
  lost: ['◍', 'lost'],
  ended: ['■', 'ended'],
  stopped: ['■', 'stopped'],
  failed: ['✕', 'failed'],
  gone: ['✕', 'lost'],
  unknown: ['○', 'not running'],
  reconnecting: ['↻', 'reconnecting'],
  busy: ['↻', 'server full'],
  'signed-out': ['✕', 'signed out'],
  forbidden: ['✕', 'not allowed'],
  missing: ['✕', 'no extension']
};
