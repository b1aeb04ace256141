import type { ConnectionState, ICursor, IServerSentEvent } from '../../tokens';

/**
 * What tabs and the holder of their connection say to each other: plain data, in order, nothing lost between the two.
 *
 * A tab says `hello` first; the holder answers `welcome`, or `refused`. Every `batch` is acknowledged when its events
 * have been taken: what is not acknowledged counts against the tab's credit.
 */
export const VERSION = '0.1.0';

/** The server, and how the tab logs in to it: what a request from the holder needs. Never logged. */
export interface ILogin {
  readonly baseUrl: string;
  /** The server's token where the page has one, else the empty text: cookies are the login. */
  readonly token: string;
  /** Who is logged in, as far as the page knows: no tab gets what another user's login has fetched. */
  readonly user: string;
  /** The cookie `_xsrf`, which a worker cannot read. */
  readonly xsrf: string;
  readonly credentials: RequestCredentials;
}

/** One stream that a tab reads. */
export interface IRead {
  /** Names this reading within its tab; never used again. */
  readonly key: number;
  readonly stream: string;
  /** How far the tab has come, or `null`. */
  readonly cursor: ICursor | null;
  /** Whether the tab has got no event yet. */
  readonly isFresh: boolean;
}

export type ToHolder =
  | {
      readonly kind: 'hello';
      readonly version: string;
      readonly tab: string;
      /** A Web Lock that the tab holds for as long as it lives; `null` where there are none. */
      readonly lock: string | null;
      readonly login: ILogin;
      readonly isVisible: boolean;
      readonly reads: readonly IRead[];
    }
  | { readonly kind: 'add'; readonly read: IRead }
  | { readonly kind: 'remove'; readonly key: number }
  | { readonly kind: 'took'; readonly size: number }
  | { readonly kind: 'visible'; readonly isVisible: boolean }
  | { readonly kind: 'login'; readonly login: ILogin }
  /** Is anybody there? Also tells that the tab is. */
  | { readonly kind: 'call' }
  | { readonly kind: 'check' | 'retry' | 'inspect' | 'bye' };

/** Something that happened to one reading. */
export type Item =
  | { readonly key: number; readonly action: 'reset' | 'resume' }
  | {
      readonly key: number;
      readonly action: 'receive';
      readonly events: readonly IServerSentEvent[];
      readonly cursor: ICursor | null;
    };

export type ToTab =
  | { readonly kind: 'welcome' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'state'; readonly state: ConnectionState }
  | {
      readonly kind: 'batch';
      readonly items: readonly Item[];
      /** What it counts against the tab's credit. */
      readonly size: number;
    }
  | { readonly kind: 'answer' }
  /** The holder took the tab for gone: say hello again. */
  | { readonly kind: 'dropped' }
  | { readonly kind: 'details'; readonly details: IHolderDetails };

/** What the holder tells those who look for a fault. */
export interface IHolderDetails {
  readonly state: ConnectionState;
  readonly lastEventId: string | null;
  /** The tabs, each with its unacknowledged characters. */
  readonly tabs: readonly {
    readonly tab: string;
    readonly isVisible: boolean;
    readonly unacknowledged: number;
    readonly reads: readonly {
      readonly stream: string;
      readonly place: string;
    }[];
  }[];
}

/** Whether an event makes a difference to where a reader stands: control events may be told again. */
export function isNews({ type }: IServerSentEvent): boolean {
  return !type.startsWith('sse.') || type === 'sse.gap';
}

const EVENT_OVERHEAD = 64;

/** What events count against a tab's credit: about their characters. */
export function sizeOf(events: readonly IServerSentEvent[]): number {
  return events.reduce(
    (size, event) => size + EVENT_OVERHEAD + event.data.length,
    0
  );
}
