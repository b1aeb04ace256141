import type { ILineStyle } from './theme';

const SVG = 'http://www.w3.org/2000/svg';
/** More entries than this are behind a button. */
const MAX_ENTRIES = 12;
const DOUBLE_CLICK_MS = 300;

export interface ILegendEntry {
  readonly name: string;
  readonly style: ILineStyle;
  readonly isHidden: boolean;
  readonly isRight: boolean;
}

/**
 * The names of the lines with their values: a click shows or hides one, a double click shows it alone.
 */
export class Legend {
  constructor(
    private readonly _onToggle: (name: string) => void,
    private readonly _onSolo: (name: string) => void
  ) {
    this.node.className = 'jp-SseView-legend';
    this._more.className = 'jp-SseView-legendMore';
    this._more.type = 'button';
    this._more.addEventListener('click', () => {
      this._isExpanded = !this._isExpanded;
      this._signature = '';
      this.update(this._entries);
    });
  }

  readonly node = document.createElement('div');

  /** Show these entries; cheap when nothing but values has changed. */
  update(entries: readonly ILegendEntry[]): void {
    const signature = entries
      .map(
        ({ name, style, isHidden, isRight }) =>
          `${name}\n${style.color} ${style.dash.join()} ${isHidden} ${isRight}`
      )
      .join('\n');
    this._entries = entries;
    if (signature !== this._signature) {
      this._signature = signature;
      this._rebuild();
    }
  }

  /** Write the value of each entry, in their order. */
  setValues(values: readonly string[]): void {
    this._values.forEach((node, i) => {
      if (node.textContent !== values[i]) {
        node.textContent = values[i];
      }
    });
  }

  private _rebuild(): void {
    const shown = this._isExpanded
      ? this._entries
      : this._entries.slice(0, MAX_ENTRIES);
    this._values = [];
    const nodes = shown.map(entry => this._entryNode(entry));
    const rest = this._entries.length - shown.length;
    this._more.textContent = this._isExpanded ? 'fewer ▴' : `+${rest} more ▾`;
    const needsMore = this._entries.length > MAX_ENTRIES;
    const focused = [...this.node.children].indexOf(
      document.activeElement as Element
    );
    this.node.replaceChildren(...nodes, ...(needsMore ? [this._more] : []));
    if (focused >= 0) {
      (this.node.children[focused] as HTMLElement | undefined)?.focus();
    }
  }

  private _entryNode(entry: ILegendEntry): HTMLElement {
    const node = document.createElement('button');
    node.type = 'button';
    node.className = 'jp-SseView-legendEntry';
    node.setAttribute('aria-pressed', String(!entry.isHidden));
    node.title = entry.isRight ? `${entry.name} (right axis)` : `${entry.name}`;
    const name = document.createElement('span');
    name.className = 'jp-SseView-legendName';
    name.textContent = entry.isRight ? `${entry.name} →` : entry.name;
    const value = document.createElement('span');
    value.className = 'jp-SseView-legendValue';
    this._values.push(value);
    node.append(sample(entry.style), name, value);
    node.addEventListener('click', event => this._click(entry.name, event));
    return node;
  }

  /** A click hides at once; the second click of a double click makes it a solo. */
  private _click(name: string, event: MouseEvent): void {
    const isDouble =
      name === this._clicked.name &&
      event.timeStamp - this._clicked.at < DOUBLE_CLICK_MS;
    this._clicked = { name: isDouble ? '' : name, at: event.timeStamp };
    if (isDouble) {
      this._onToggle(name);
      this._onSolo(name);
    } else {
      this._onToggle(name);
    }
  }

  private readonly _more = document.createElement('button');
  private _entries: readonly ILegendEntry[] = [];
  private _values: HTMLElement[] = [];
  private _signature = '';
  private _isExpanded = false;
  private _clicked = { name: '', at: -Infinity };
}

function sample({ color, dash }: ILineStyle): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('width', '16');
  svg.setAttribute('height', '8');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(SVG, 'line');
  line.setAttribute('x1', '0');
  line.setAttribute('x2', '16');
  line.setAttribute('y1', '4');
  line.setAttribute('y2', '4');
  line.setAttribute('stroke', color);
  line.setAttribute('stroke-width', '2');
  line.setAttribute('stroke-dasharray', dash.join(' '));
  svg.append(line);
  return svg;
}
