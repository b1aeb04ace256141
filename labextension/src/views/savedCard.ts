import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { IViewContext } from './context';
import type { IDisplay } from './display';
import { button, element } from './node';
import { SnapshotView } from './snapshotView';

/** What stands in a notebook that is not trusted: the saved picture and how to go live. It connects to nothing. */
export class SavedCard extends Widget {
  constructor(
    private readonly _context: IViewContext,
    display: IDisplay
  ) {
    super();
    this.addClass('jp-SseView');
    this.addClass('jp-mod-saved');
    this._body = element('div', 'jp-SseView-body');
    if (display.snapshot !== null) {
      this._snapshot = new SnapshotView(display.snapshot, _context);
      this._body.append(this._snapshot.node);
      if (this._snapshot.isTall) {
        this._body.style.height = `${_context.settings.chartHeight}px`;
      }
    }
    this._body.hidden = this._snapshot === null;
    this.node.append(this._body, this._notice(display));
    _context.theme.changed.connect(this._paint, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._context.theme.changed.disconnect(this._paint, this);
      this._room.disconnect();
      this._snapshot?.dispose();
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._room.observe(this._body);
  }

  protected override onBeforeDetach(message: Message): void {
    this._room.disconnect();
    super.onBeforeDetach(message);
  }

  private _notice(display: IDisplay): HTMLElement {
    const node = element('div', 'jp-SseView-notice');
    const { savedAt } = display;
    const saved =
      savedAt === null
        ? ''
        : ` Last saved ${this._context.timeFormat.dayAndMinute(savedAt)}.`;
    node.append(
      element(
        'span',
        '',
        `Live views are off until you trust this notebook.${saved}`
      )
    );
    const { trust } = this._context.actions;
    if (trust !== null) {
      node.append(button('Trust…', trust));
    }
    return node;
  }

  private _paint(): void {
    this._snapshot?.paint(this._body.clientWidth, this._body.clientHeight);
  }

  private readonly _room = new ResizeObserver(() => this._paint());
  private readonly _body: HTMLElement;
  private readonly _snapshot: SnapshotView | null = null;
}
