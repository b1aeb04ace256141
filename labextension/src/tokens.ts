import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

/** The MIME type of a run's default display. */
export const MIME_TYPE = 'application/vnd.jupyter-sse.v1+json';

/** One event as a reader gets it (WHATWG HTML 9.2.6, at dispatch). */
export interface IServerSentEvent {
  /** The event's type, never empty; without the stream's name in front. */
  readonly type: string;
  readonly data: string;
  /** The event's own `id:` field, or `null` when its block had none. */
  readonly id: string | null;
}

/**
 * What the page knows of its connection to the server.
 *
 * #### Notes
 * `waiting` and `busy` try again by themselves at `retryAt` (unix ms); `signed-out`, `forbidden` and `missing` only on
 * {@link IConnection.retryNow}.
 */
export type ConnectionState =
  | { readonly kind: 'idle' | 'connecting' | 'open' }
  | {
      readonly kind: 'waiting' | 'busy';
      readonly retryAt: number;
      /** When the connection was lost, or was first asked for (unix ms). */
      readonly since: number;
      readonly message: string;
    }
  | {
      readonly kind: 'signed-out' | 'forbidden' | 'missing';
      readonly message: string;
    };

/** How far a reader has come in one stream: from here it can go on. Plain data. */
export interface ICursor {
  /** The last position of the stream's own; the server resumes after it. */
  readonly position: string;
  /** How many events were received after it: those of a replay carry no position of their own. */
  readonly beyond: number;
  /**
   * The number, within the stream, of the newest event received or told as missing, less `beyond`; `null` where it is
   * not known.
   */
  readonly n: number | null;
}

/** Who receives the events of one stream. */
export interface IStreamSink {
  /** What came so far does not count any more: the stream is read again from its earliest event. */
  reset(): void;
  /** A new connection goes on where the last one stopped: what comes until `sse.ready` has happened before. */
  resume(): void;
  /**
   * Events of this stream in order, control events (`sse.…`) among them.
   *
   * @param cursor - how far the stream has come with them, or `null` before its first replay is through
   */
  receive(events: readonly IServerSentEvent[], cursor: ICursor | null): void;
}

/**
 * This page's part in the one stream connection of its browser.
 *
 * #### Notes
 * Plain data in, plain data out: who holds the connection may be a worker or another tab.
 */
export interface IConnection extends IDisposable {
  readonly state: ConnectionState;
  readonly stateChanged: ISignal<IConnection, ConnectionState>;
  /** The position up to which everything has been received, or `null`. */
  readonly lastEventId: string | null;
  /**
   * Read a stream from its earliest event; connects when it is the first.
   *
   * @param stream - a valid stream name that is not being read yet
   */
  add(stream: string, sink: IStreamSink): void;
  /** Read a stream no more; the last one closes the connection. */
  remove(stream: string): void;
  /** Do not wait for the next try: the user asked, or the page woke up. */
  retryNow(): void;
  /** Look whether the connection is still alive, e.g. after the page was asleep. */
  check(): void;
}

/** The views that can show a stream. */
export type ViewKind = 'plot' | 'log' | 'table' | 'value' | 'progress' | 'raw';

/** Kinds the rules can name; those without a view of their own are shown raw. */
export type SuggestedKind = ViewKind | 'image' | 'heatmap' | 'histogram';

/** How one view wants to see its stream; `null` leaves the choice to the rules. */
export interface IViewOptions {
  readonly kind: string | null;
  readonly x: string | null;
  readonly y: readonly string[] | null;
  readonly window: string | null;
}

/** The live streams of this page. */
export interface IStreams {
  readonly connection: IConnection;
  /** Names of the streams that are being read. */
  names(): string[];
  /** The model of a stream that is being read, or `null`. Does not start to read it. */
  peek(name: string): IStreamModel | null;
  /**
   * Read a stream for as long as the lease is held.
   *
   * @param name - a stream of this page's server
   * @returns the model that all leases of this name share
   */
  lease(name: string): IStreamLease;
}

export interface IStreamLease extends IDisposable {
  readonly model: IStreamModel;
}

/** The part of a stream's model that other extensions and tests may rely on. */
export interface IStreamModel {
  readonly name: string;
  /** Events received of the current run; control events do not count. */
  readonly events: number;
  /** Events that the server says are lost to this reader; `null` counts among them make it a lower bound. */
  readonly lost: number;
  /** The `id` of the newest event that carried one. */
  readonly lastEventId: string | null;
  readonly run: number | null;
  /** Names of the numeric series, in order of appearance. */
  readonly seriesNames: string[];
  /** The kept points of one series, oldest first; copies. */
  points(series: string): { x: Float64Array; y: Float64Array };
  readonly changed: ISignal<IStreamModel, void>;
}

export const IStreams = new Token<IStreams>(
  'jupyter_sse:IStreams',
  'The event streams that this page reads, and their models.'
);
