import { BoundedList } from './boundedList';
import type { IEvent, IGap } from './event';
import { type Fields, flatten, isFields, type Value } from './value';

const MAX_COLUMNS = 200;

export interface ITableRow {
  readonly kind: 'row' | 'gap';
  /** Unix ms. */
  readonly at: number;
  readonly cells: Fields;
  /** What is missing here; only of kind `gap`. */
  readonly gap?: IGap;
}

/** A row's value in a column; `undefined` where the event had no such field. */
export function cellOf({ cells }: ITableRow, column: string): unknown {
  return Object.hasOwn(cells, column) ? cells[column] : undefined;
}

/** The newest events of a run as rows; the columns are all the fields they had. */
export class TableStore {
  /**
   * @param maxRows - rows kept at most
   * @param maxCharacters - the events' characters kept at most
   */
  constructor(maxRows: number, maxCharacters: number) {
    this.rows = new BoundedList<ITableRow>(maxRows, maxCharacters);
  }

  readonly rows: BoundedList<ITableRow>;

  /** Field names in order of their appearance. */
  get columns(): readonly string[] {
    return this._columns;
  }

  /** How often all rows were exchanged for others. */
  get replacements(): number {
    return this._replacements;
  }

  append(event: IEvent, value: Value): void {
    const json = value.kind === 'json' ? value.value : value.text;
    if (Array.isArray(json) && json.length > 0 && json.every(isFields)) {
      // A list of objects is the whole table, told anew by each event.
      this.rows.clear();
      this._replacements++;
      const size = event.data.length / json.length;
      json.forEach(fields => this._push(event.at, flatten(fields), size));
    } else if (isFields(json)) {
      this._push(event.at, flatten(json), event.data.length);
    } else {
      this._push(event.at, { value: json }, event.data.length);
    }
  }

  gap(gap: IGap, at: number): void {
    this.rows.push({ kind: 'gap', at, cells: {}, gap }, 0);
  }

  clear(): void {
    this.rows.clear();
    this._replacements++;
    this._columns.length = 0;
    this._known.clear();
  }

  private _push(at: number, cells: Fields, size: number): void {
    for (const key in cells) {
      if (!this._known.has(key) && this._columns.length < MAX_COLUMNS) {
        this._known.add(key);
        this._columns.push(key);
      }
    }
    this.rows.push({ kind: 'row', at, cells }, size);
  }

  private _replacements = 0;
  private readonly _columns: string[] = [];
  private readonly _known = new Set<string>();
}
