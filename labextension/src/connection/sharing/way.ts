import type { TabPort } from './port';

/** Who holds the connection that a tab uses: a worker, another tab, this tab for others too, or this tab for itself. */
export type Holder = 'worker' | 'other-tab' | 'this-tab' | 'own';

/** What a way tells the tab that has taken it. */
export interface IWayEvents {
  /** A holder has been found: the first, or one that has taken the place of the last. */
  found(port: TabPort, holder: Holder): void;
  /** It leads nowhere. */
  failed(reason: string): void;
}

/** A way in which a tab comes to a connection. */
export interface IWay {
  readonly name: string;
  /** @returns leaves it */
  take(events: IWayEvents): () => void;
}
