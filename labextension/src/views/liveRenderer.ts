import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';

import { Card } from './card';
import type { IViewContext } from './context';
import { type IDisplay, readDisplay } from './display';
import { element } from './node';
import { SavedCard } from './savedCard';

/**
 * An output of our MIME type. Rendered again for the same stream it keeps its live card, so that a kernel may refresh
 * the saved picture below without a flicker.
 */
export class LiveRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly _context: IViewContext,
    private readonly _mimeType: string
  ) {
    super();
    this.addClass('jp-SseOutput');
    this.layout = new PanelLayout();
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const display = readDisplay(model.data[this._mimeType]);
    if (typeof display === 'string') {
      this._show(messageWidget(display));
      return Promise.resolve();
    }
    const isSame =
      this._card !== null &&
      !this._card.isDisposed &&
      this._card.model.name === display.stream;
    if (!model.trusted) {
      // Anyone may have written the notebook: it connects to nothing.
      this._show(new SavedCard(this._context, display));
    } else if (isSame) {
      this._card!.refreshDisplay(display);
    } else {
      this._card = new Card(this._context, display, () =>
        this._memoryKey(display)
      );
      this._show(this._card);
    }
    return Promise.resolve();
  }

  private _show(widget: Widget): void {
    const layout = this.layout as PanelLayout;
    for (const old of [...layout.widgets]) {
      old.dispose();
    }
    layout.addWidget(widget);
  }

  /** Choices are kept for each notebook and stream; `null` outside of a document. */
  private _memoryKey({ stream }: IDisplay): string | null {
    for (
      let parent: Widget | null = this.parent;
      parent !== null;
      parent = parent.parent
    ) {
      const { context } = parent as { context?: { path?: unknown } };
      if (typeof context?.path === 'string') {
        return `${context.path}:${stream}`;
      }
    }
    return null;
  }

  private _card: Card | null = null;
}

function messageWidget(text: string): Widget {
  return new Widget({ node: element('div', 'jp-SseView-message', text) });
}
