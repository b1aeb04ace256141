import type { BoundedList } from '../model/boundedList';
import { isNumber } from '../model/number';
import { cellOf, type ITableRow } from '../model/tableStore';
import { textOf } from '../model/value';
import { decimalsOf, formatColumn } from './format';
import { ListView } from './listView';
import { element, setText } from './node';
import { describeGap } from './texts';
import type { IViewHost } from './view';

const ROW_PX = 24;
const MIN_CHARACTERS = 5;
const MAX_CHARACTERS = 40;
const MAX_CELL = 200;

/** Events as rows, their fields as columns, the newest at the end. */
export class TableView extends ListView<ITableRow> {
  constructor(host: IViewHost) {
    super(host, ROW_PX);
    this.node.setAttribute('role', 'table');
    this.rows.node.prepend(this._header);
    this._header.setAttribute('role', 'row');
    this.node.append(this.rows.node);
  }

  readonly node = element('div', 'jp-SseView-table');

  override paint(): void {
    this._showHeader();
    if (this._decimalsChanged) {
      this._decimalsChanged = false;
      this.rows.invalidate();
    }
    super.paint();
    // Rows that came into view may hold longer texts than those before.
    if (this._widthsChanged) {
      this._widthsChanged = false;
      this._applyWidths();
    }
  }

  describe(): string {
    const { rows, columns } = this.host.model.table;
    return `Table of ${rows.length} rows and ${columns.length} columns.`;
  }

  protected get items(): BoundedList<ITableRow> {
    return this.host.model.table.rows;
  }

  private get _columns(): readonly string[] {
    return this.host.model.table.columns;
  }

  private _showHeader(): void {
    const columns = this._columns;
    const signature = columns.join('\n');
    // A list of objects replaces all rows: none on the screen may be kept.
    const { replacements } = this.host.model.table;
    if (signature !== this._signature || replacements !== this._replacements) {
      this._replacements = replacements;
      this.rows.invalidate();
    }
    if (signature !== this._signature) {
      this._signature = signature;
      this._widths = columns.map((name, i) =>
        Math.max(this._widths[i] ?? 0, clampWidth(name.length + 2))
      );
      this._header.replaceChildren(
        ...['time', ...columns].map(name => {
          const cell = element('div', 'jp-SseView-tableHead', name);
          cell.setAttribute('role', 'columnheader');
          cell.title = name;
          return cell;
        })
      );
      this._applyWidths();
    }
  }

  protected row(row: ITableRow | undefined): HTMLElement {
    const node = element('div', 'jp-SseView-tableRow');
    node.setAttribute('role', 'row');
    if (row === undefined) {
      return node;
    }
    if (row.gap !== undefined) {
      node.dataset.kind = 'gap';
      node.textContent = `▨ ${describeGap(row.gap)}`;
      return node;
    }
    const { timeFormat } = this.host.context;
    const time = this._cell(timeFormat.exactTime(row.at));
    time.classList.add('jp-mod-time');
    node.append(time);
    this._columns.forEach((name, i) => {
      const value = cellOf(row, name);
      const cell = this._cell(this._text(value, i));
      cell.classList.toggle('jp-mod-null', value === null);
      if (isNumber(value)) {
        cell.classList.add('jp-mod-number');
        this._header.children[i + 1]?.classList.add('jp-mod-number');
      }
      const width = clampWidth(cell.textContent?.length ?? 0);
      if (width > this._widths[i]) {
        this._widths[i] = width;
        this._widthsChanged = true;
      }
      node.append(cell);
    });
    return node;
  }

  private _cell(text: string): HTMLElement {
    const cell = element('div', 'jp-SseView-tableCell');
    cell.setAttribute('role', 'cell');
    setText(cell, text);
    if (text.length > MAX_CHARACTERS) {
      cell.title = text;
    }
    return cell;
  }

  private _text(value: unknown, column: number): string {
    if (value === undefined) {
      return '';
    }
    if (isNumber(value)) {
      const { numberFormat } = this.host.context.settings;
      return formatColumn(value, this._decimals(value, column), numberFormat);
    }
    const line = textOf(value).replaceAll('\n', ' ⏎ ');
    return line.length > MAX_CELL ? `${line.slice(0, MAX_CELL)}…` : line;
  }

  /** The decimals of a column: those of the number that needs most. */
  private _decimals(value: number, column: number): number {
    const before = this._columnDecimals[column] ?? 0;
    const needed = Math.max(before, decimalsOf(value));
    if (needed > before) {
      this._columnDecimals[column] = needed;
      // The rows that are there already get theirs with the next frame.
      this._decimalsChanged = true;
      this.resize();
    }
    return needed;
  }

  private _applyWidths(): void {
    this.node.style.setProperty(
      '--jp-sse-columns',
      `14ch ${this._widths.map(width => `${width + 2}ch`).join(' ')}`
    );
  }

  private readonly _header = element('div', 'jp-SseView-tableHeader');
  private _widths: number[] = [];
  private _widthsChanged = false;
  private _columnDecimals: number[] = [];
  private _decimalsChanged = false;
  private _signature = '';
  private _replacements = 0;
}

function clampWidth(characters: number): number {
  return Math.min(Math.max(characters, MIN_CHARACTERS), MAX_CHARACTERS);
}
