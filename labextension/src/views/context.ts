import type { ISignal } from '@lumino/signaling';

import type { IModelLease } from '../model/streams';
import type { IConnection } from '../tokens';
import type { Announcer } from './announcer';
import type { TimeFormat } from './format';
import type { IViewMemory } from './memory';
import type { PaintClock } from './paintClock';
import type { IViewSettings } from './settings';
import type { Theme } from './theme';

/** What a view can have done outside of itself. */
export interface IViewActions {
  /** End a stream: its producer is stopped. Rejects with a sentence for the user. */
  stop(stream: string): Promise<void>;
  /** The address of a stream, for other programs. */
  streamUrl(stream: string): string;
  /** Trust the notebook that holds the view, or `null` where nothing can. */
  readonly trust: (() => void) | null;
  copy(text: string): void;
  /** Save a text as a file of the user's. */
  download(fileName: string, text: string): void;
  reloadPage(): void;
  /** The cell whose output holds a node, or `null` where there is none: in a console, or in a view of its own. */
  cellOf(node: Node): ICell | null;
}

/** The cell of a notebook that a card stands in. */
export interface ICell {
  /** Run the cell, as if the user had chosen it and pressed Ctrl+Enter. */
  run(): void;
  /**
   * Go to the traceback among the cell's outputs.
   *
   * @param type - the name of the error's class
   * @returns whether there is one
   */
  showTraceback(type: string): boolean;
}

/** What all cards of a page share. */
export interface IViewContext {
  readonly connection: IConnection;
  lease(stream: string): IModelLease;
  readonly settings: IViewSettings;
  readonly settingsChanged: ISignal<unknown, void>;
  readonly timeFormat: TimeFormat;
  readonly theme: Theme;
  readonly paintClock: PaintClock;
  readonly announcer: Announcer;
  readonly memory: IViewMemory;
  readonly actions: IViewActions;
}
