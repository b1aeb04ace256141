import { isNumber } from '../model/number';
import { textOf, type Value } from '../model/value';
import { CompactView } from './compactView';
import { formatNumber, formatValue } from './format';
import { element, setText } from './node';
import { Sparkline } from './sparkline';
import type { IViewHost } from './view';

const MAX_FIELDS = 6;
const MAX_TEXT = 80;

/** The newest value, large, with the line of those before it. */
export class ValueView extends CompactView {
  constructor(host: IViewHost) {
    super(host);
    this._sparkline = new Sparkline(host.context.theme);
    this.node.append(this._values, this._sparkline.node);
  }

  describe(): string {
    return `Value: ${this._values.textContent ?? ''}.`;
  }

  protected show(): void {
    const { model } = this.host;
    if (model.last === null) {
      setText(this._values, '');
      return;
    }
    const entries = this._entries(model.last.value);
    const signature = entries.map(entry => entry.name).join('\n');
    if (signature !== this._signature || this._shown.length === 0) {
      this._signature = signature;
      this._rebuild(entries.map(entry => entry.name));
    }
    entries.forEach(({ text }, i) => setText(this._shown[i], text));
    const series = model.plot(this.host.x).series[0];
    this._sparkline.node.hidden = series === undefined;
    if (series !== undefined) {
      this._sparkline.draw(series.points);
    }
  }

  private _rebuild(names: string[]): void {
    this._values.replaceChildren();
    this._shown = names.map(name => {
      const entry = element('span', 'jp-SseView-value');
      if (name !== '') {
        entry.append(element('span', 'jp-SseView-valueName', name));
      }
      const text = element('span', 'jp-SseView-valueText');
      entry.append(text);
      this._values.append(entry);
      return text;
    });
  }

  private _entries(value: Value): { name: string; text: string }[] {
    if (value.kind === 'text') {
      return [{ name: '', text: shorten(value.text) }];
    }
    if (value.fields === null) {
      return [{ name: '', text: this._text(value.value, '') }];
    }
    const { y } = this.host;
    return Object.entries(value.fields)
      .filter(([name]) => y === null || y.includes(name))
      .slice(0, MAX_FIELDS)
      .map(([name, field]) => ({ name, text: this._text(field, name) }));
  }

  private _text(value: unknown, name: string): string {
    const { numberFormat } = this.host.context.settings;
    if (isNumber(value)) {
      return name === ''
        ? formatNumber(value, numberFormat)
        : formatValue(value, name, numberFormat);
    }
    return shorten(textOf(value));
  }

  private readonly _values = element('div', 'jp-SseView-values');
  private readonly _sparkline: Sparkline;
  private _shown: HTMLElement[] = [];
  private _signature = '';
}

function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
