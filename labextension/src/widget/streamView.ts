import {
  DOMWidgetModel,
  DOMWidgetView,
  JupyterLuminoPanelWidget
} from '@jupyter-widgets/base';
import { Widget } from '@lumino/widgets';

import { nameError } from '../connection/name';
import { Card } from '../views/card';
import type { IViewContext } from '../views/context';
import { type IDisplay, readOptions } from '../views/display';
import { element } from '../views/node';
import { Reporter } from './reporter';
import { MODULE_NAME, MODULE_VERSION } from './version';

/** The classes that ipywidgets instantiates. */
export interface IWidgetClasses {
  readonly [name: string]: typeof DOMWidgetModel | typeof DOMWidgetView;
}

/** The traits of the Python class `StreamView`. */
class StreamModel extends DOMWidgetModel {
  override defaults(): Record<string, unknown> {
    return {
      ...super.defaults(),
      _model_name: 'StreamModel',
      _model_module: MODULE_NAME,
      _model_module_version: MODULE_VERSION,
      _view_name: 'StreamView',
      _view_module: MODULE_NAME,
      _view_module_version: MODULE_VERSION,
      stream: '',
      kind: null,
      x: null,
      y: null,
      window: null,
      height: null,
      state: '',
      events: 0
    };
  }
}

/**
 * Make the widget's classes for this page: ipywidgets creates the views itself and has nothing of ours to hand them.
 */
export function makeWidgetClasses(context: IViewContext): IWidgetClasses {
  class StreamView extends DOMWidgetView {
    override render(): void {
      super.render();
      this.el.classList.add('jp-SseWidget');
      this.listenTo(this.model, 'change:stream', () => this._renew());
      this.listenTo(
        this.model,
        'change:kind change:x change:y change:window',
        () => this._card?.refreshDisplay(this._display())
      );
      this.listenTo(this.model, 'change:height', () => this._applyHeight());
      this._renew();
    }

    override remove(): void {
      this._clear();
      super.remove();
    }

    // A widget that can hold the card, as the boxes of ipywidgets hold their children.
    override _createElement(): HTMLElement {
      this.luminoWidget = new JupyterLuminoPanelWidget({ view: this });
      return this.luminoWidget.node;
    }

    override _setElement(node: HTMLElement): void {
      this.el = node;
      this.$el = null;
    }

    private _renew(): void {
      this._clear();
      const display = this._display();
      const error = nameError(display.stream);
      if (error !== null) {
        this._add(
          new Widget({ node: element('div', 'jp-SseView-message', error) })
        );
        return;
      }
      this._card = new Card(context, display, () => null);
      this._applyHeight();
      this._add(this._card);
      this._reporter = new Reporter(this._card, report => {
        this.model.set(report);
        this.touch();
      });
    }

    private _clear(): void {
      this._reporter?.dispose();
      this._reporter = null;
      this._card = null;
      for (const widget of [...this._panel.widgets]) {
        widget.dispose();
      }
    }

    private _add(widget: Widget): void {
      this._panel.addWidget(widget);
    }

    private get _panel(): JupyterLuminoPanelWidget {
      return this.luminoWidget as JupyterLuminoPanelWidget;
    }

    private _display(): IDisplay {
      const read = (trait: string): unknown => this.model.get(trait) as unknown;
      return {
        stream: String(read('stream')),
        run: null,
        origin: '',
        view: readOptions({
          kind: read('kind'),
          x: read('x'),
          y: read('y'),
          window: read('window')
        }),
        savedAt: null,
        snapshot: null
      };
    }

    private _applyHeight(): void {
      const height = this.model.get('height') as unknown;
      if (typeof height === 'number') {
        this._card?.setHeight(height);
      }
    }

    private _card: Card | null = null;
    private _reporter: Reporter | null = null;
  }
  return { StreamModel, StreamView };
}
