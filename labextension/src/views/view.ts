import type { IDisposable } from '@lumino/disposable';

import type { IGap } from '../model/event';
import type { StreamModel } from '../model/stream';
import type { IViewContext } from './context';

/** What a view may ask of the card it stands in. */
export interface IViewHost {
  readonly model: StreamModel;
  readonly context: IViewContext;
  /** The field for x, or `null` for the one that the rules choose. */
  readonly x: string | null;
  /** The series to show, or `null` for all. */
  readonly y: readonly string[] | null;
  /** The window in use, as text, or `null` for the one that fits. */
  readonly window: string | null;
  readonly isPaused: boolean;
  /** Names of the series the user has hidden. */
  readonly hidden: ReadonlySet<string>;
  /** Since when there is no connection (unix ms of the server), or `null`. */
  readonly offlineSince: number | null;
  hideSeries(hidden: ReadonlySet<string>): void;
  /** Show the stream as another kind, or, for `null`, as the rules choose. */
  showAs(kind: string | null): void;
  setWindow(window: string | null): void;
  /** Something other than the stream has changed: paint soon. */
  requestPaint(): void;
}

/** One way to show a stream. */
export interface IView extends IDisposable {
  readonly node: HTMLElement;
  /** Whether the card is one row high, without a body of its own. */
  readonly isCompact: boolean;
  /** Whether the picture moves without new events. */
  readonly isMoving: boolean;
  /** The number of events at which the view stopped to follow, or `null` while it follows. */
  readonly leftAt: number | null;
  /** Whether the picture would change although no event came. */
  wantsFrame(): boolean;
  paint(): void;
  /** The room has changed: CSS px. */
  resize(width: number, height: number): void;
  /** Follow the newest end again. */
  goLive(): void;
  /** Bring the place where events are missing into view; `null` for a view that has no such places. */
  readonly showGap: ((gap: IGap) => void) | null;
  /** Take a key; says whether it meant something. */
  handleKey(event: KeyboardEvent): boolean;
  /** The window menu of this view, or `null` when it has no window. */
  readonly windowMenu: {
    readonly label: string;
    readonly choices: readonly string[];
  } | null;
  /** What the view shows, in a few sentences. */
  describe(): string;
}
