import { type IRowSource, RowList } from './rowList';
import type { IView, IViewHost } from './view';

/** What log and table have in common: rows, the newest last, that can be left and followed again. */
export abstract class ListView implements IView {
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
      this._source = this.source();
    }
    this.rows.paint(this._source);
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

  /** What there is to show now; it keeps its length while the model goes on. */
  protected abstract source(): IRowSource;

  protected readonly rows: RowList;

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
