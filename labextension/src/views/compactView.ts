import { element } from './node';
import type { IView, IViewHost } from './view';

/** What the views of one row have in common: they show the newest event, and have no window. */
export abstract class CompactView implements IView {
  constructor(protected readonly host: IViewHost) {
    host.context.theme.changed.connect(this._restyle, this);
  }

  readonly node = element('div', 'jp-SseView-compact');
  readonly isCompact = true;
  readonly isMoving = false;
  readonly leftAt = null;
  readonly windowMenu = null;
  readonly showGap = null;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  abstract describe(): string;

  wantsFrame(): boolean {
    return this._isStale;
  }

  paint(): void {
    this._isStale = false;
    if (!this.host.isPaused) {
      this.show();
    }
  }

  resize(): void {
    this._restyle();
  }

  goLive(): void {
    this._restyle();
  }

  handleKey(): boolean {
    return false;
  }

  dispose(): void {
    this._isDisposed = true;
    this.host.context.theme.changed.disconnect(this._restyle, this);
    this.node.remove();
  }

  /** Show the newest event. */
  protected abstract show(): void;

  private _restyle(): void {
    this._isStale = true;
    this.host.requestPaint();
  }

  private _isStale = true;
  private _isDisposed = false;
}
