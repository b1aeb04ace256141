import type { BoundedList } from '../model/boundedList';
import type { IGap } from '../model/event';
import { type IRowSource, RowList } from './rowList';
import type { IView, IViewHost } from './view';

/** What log and table have in common: rows, the newest last, that can be left and followed again. */
export abstract class ListView<
  T extends { readonly gap?: IGap }
> implements IView {
  constructor(
    protected readonly host: IViewHost,
    rowHeight: number
  ) {
    this.rows = new RowList(rowHeight, hasLeft => {
      this._leftAt = hasLeft ? host.model.events : null;
      host.requestPaint();
    });
    host.context.settingsChanged.connect(this._restyle, this);
  }

  abstract readonly node: HTMLElement;
  readonly isCompact = false;
  readonly isMoving = false;
  readonly windowMenu = null;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get leftAt(): number | null {
    return this._leftAt;
  }

  abstract describe(): string;

  wantsFrame(): boolean {
    return this._isStale;
  }

  paint(): void {
    this._isStale = false;
    if (this._generation !== this.host.model.generation) {
      this._generation = this.host.model.generation;
      this.rows.invalidate();
      this._source = null;
    }
    // A paused list can still be scrolled, over what it held when it was paused.
    if (!this.host.isPaused || this._source === null) {
      this._source = this._newest();
    }
    this.rows.paint(this._source);
  }

  showGap(gap: IGap): void {
    this.paint();
    const { items } = this;
    const index = [...items].findIndex(item => item.gap === gap);
    // One that is kept no more was older than all that is.
    this.rows.reveal(Math.max(index, 0) + items.forgotten);
    this.resize();
  }

  resize(): void {
    this._isStale = true;
    this.host.requestPaint();
  }

  goLive(): void {
    this.rows.follow();
    this._leftAt = null;
    this.resize();
  }

  handleKey(): boolean {
    return false;
  }

  dispose(): void {
    this._isDisposed = true;
    this.host.context.settingsChanged.disconnect(this._restyle, this);
    this.node.remove();
  }

  /** What the model holds, oldest first. */
  protected abstract get items(): BoundedList<T>;

  /** The row of an item; `undefined` for one that is kept no more. */
  protected abstract row(item: T | undefined): HTMLElement;

  protected readonly rows: RowList;

  /** What there is to show now; it keeps its length while the model goes on. */
  private _newest(): IRowSource {
    const { items } = this;
    const { length, forgotten } = items;
    return {
      length,
      forgotten,
      row: index => this.row(items.at(index + forgotten - items.forgotten))
    };
  }

  private _restyle(): void {
    this.rows.invalidate();
    this.resize();
  }

  private _generation = -1;
  private _source: IRowSource | null = null;
  private _isStale = true;
  private _isDisposed = false;
  private _leftAt: number | null = null;
}
