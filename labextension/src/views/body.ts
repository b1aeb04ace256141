import type { IDisposable } from '@lumino/disposable';

import type { Snapshot } from '../model/snapshot';
import { formatCount } from './format';
import { makeView } from './kinds';
import { element, setText } from './node';
import { SnapshotView } from './snapshotView';
import type { IView, IViewHost } from './view';

const MIN_HEIGHT_PX = 120;
const MAX_HEIGHT_PX = 800;

/** What the body tells its card. */
export interface IBodyEvents {
  /** The user has chosen a height: CSS px. */
  onHeight(height: number): void;
  /** The user wants to follow the newest end again. */
  onLive(): void;
}

/** The picture of a card: a view, or the saved picture while there is nothing to view; its height and its chip. */
export class Body implements IDisposable {
  /** @param slot - where views of one row stand */
  constructor(
    private readonly _host: IViewHost,
    private readonly _slot: HTMLElement,
    private readonly _events: IBodyEvents
  ) {
    this._chip.type = 'button';
    this._chip.hidden = true;
    this._chip.addEventListener('click', () => {
      _events.onLive();
      // The chip goes; keys should still reach the card.
      this.node.querySelector<HTMLElement>('[tabindex]')?.focus();
    });
    this.grip.addEventListener('pointerdown', event => this._drag(event));
    this.node.append(this.placeholder, this._chip);
  }

  readonly node = element('div', 'jp-SseView-body');
  /** The edge that changes the height. */
  readonly grip = element('div', 'jp-SseView-grip');
  /** What stands in place of a picture. */
  readonly placeholder = element('div', 'jp-SseView-placeholder');

  /** The view, or `null` while there is nothing to view. */
  get view(): IView | null {
    return this._view;
  }

  get hasSnapshot(): boolean {
    return this._snapshot !== null;
  }

  /** Whether what it shows needs less than its height. */
  get isFlat(): boolean {
    return this._snapshot !== null && !this._snapshot.isTall;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Show a view of this kind, or none; says whether it is another one than before. */
  showView(kind: string | null): boolean {
    if (kind === this._kind) {
      return false;
    }
    this._kind = kind;
    this._view?.dispose();
    this._view = null;
    if (kind !== null) {
      const view = makeView(kind, this._host);
      this._view = view;
      (view.isCompact ? this._slot : this.node).prepend(view.node);
      view.resize(this._width, this._paintedHeight);
    }
    const isCompact = this._view?.isCompact ?? false;
    this.node.hidden = isCompact;
    this.grip.hidden = isCompact;
    return true;
  }

  /** Show the picture that the notebook was saved with, or none. */
  showSnapshot(snapshot: Snapshot | null): void {
    if (snapshot === this._shownSnapshot) {
      return;
    }
    this._shownSnapshot = snapshot;
    this._snapshot?.dispose();
    this._snapshot = null;
    if (snapshot !== null) {
      this._snapshot = new SnapshotView(snapshot, this._host.context);
      this.node.prepend(this._snapshot.node);
    }
  }

  /** Set the height of the picture: CSS px, within bounds. */
  setHeight(height: number): void {
    this._height = Math.min(Math.max(height, MIN_HEIGHT_PX), MAX_HEIGHT_PX);
    this.node.style.height = `${this._height}px`;
  }

  paint(): void {
    if (this._snapshot !== null) {
      this._snapshot.paint(this._width, this._paintedHeight);
    } else {
      this._view?.paint();
    }
    this._showChip();
  }

  /** Watch the room there is; only while attached. */
  observe(): void {
    this._room.observe(this.node);
  }

  unobserve(): void {
    this._room.disconnect();
  }

  dispose(): void {
    this._isDisposed = true;
    this.unobserve();
    this.showView(null);
    this.showSnapshot(null);
  }

  private _showChip(): void {
    const leftAt = this._view?.leftAt ?? null;
    this._chip.hidden = leftAt === null || this._host.isPaused;
    if (leftAt !== null) {
      const unseen = Math.max(0, this._host.model.events - leftAt);
      const more = unseen > 0 ? ` (${formatCount(unseen)} new)` : '';
      setText(this._chip, `Go live ▸${more}`);
    }
  }

  private _drag(down: PointerEvent): void {
    down.preventDefault();
    const from = this._height;
    this.grip.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent): void =>
      this.setHeight(from + event.clientY - down.clientY);
    const stop = (): void => {
      this.grip.removeEventListener('pointermove', move);
      this._events.onHeight(this._height);
    };
    this.grip.addEventListener('pointermove', move);
    this.grip.addEventListener('lostpointercapture', stop, { once: true });
  }

  private readonly _room = new ResizeObserver(() => {
    const { clientWidth, clientHeight } = this.node;
    if (clientWidth !== this._width || clientHeight !== this._paintedHeight) {
      this._width = clientWidth;
      this._paintedHeight = clientHeight;
      this._view?.resize(clientWidth, clientHeight);
      this._host.requestPaint();
    }
  });

  private readonly _chip = element('button', 'jp-SseView-chip');
  private _view: IView | null = null;
  private _kind: string | null = null;
  private _snapshot: SnapshotView | null = null;
  private _shownSnapshot: Snapshot | null = null;
  private _width = 0;
  private _height = 0;
  private _paintedHeight = 0;
  private _isDisposed = false;
}
