import { isNumber } from './number';
import { Points } from './points';
import { isFields, textOf } from './value';

/** The last picture of a stream that a saved notebook holds, as plain data. */
export type Snapshot =
  | {
      readonly kind: 'plot';
      readonly isTime: boolean;
      readonly series: readonly { name: string; points: Points }[];
    }
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total: number | null;
    }
  | { readonly kind: 'log' | 'value'; readonly lines: readonly string[] };

const MAX_SERIES = 100;
const MAX_POINTS = 20_000;
const MAX_ROWS = 1_000;
const MAX_COLUMNS = 50;
/** Characters of a cell, and of a line of a log. */
const MAX_CELL = 200;
const MAX_LINE = 4_096;

/**
 * Take a snapshot from a notebook's output. Anyone may have written the notebook: whatever does not have the right
 * shape is left out.
 *
 * @returns `null` when there is nothing to show
 */
export function readSnapshot(data: unknown): Snapshot | null {
  if (!isFields(data)) {
    return null;
  }
  switch (data.kind) {
    case 'plot':
      return {
        kind: 'plot',
        isTime: isFields(data.x) && data.x.is_time === true,
        series: listOf(data.series, MAX_SERIES).flatMap(readSeries)
      };
    case 'table': {
      const columns = texts(data.columns, MAX_COLUMNS, MAX_CELL);
      const rows = listOf(data.rows, MAX_ROWS).map(row =>
        texts(row, columns.length, MAX_CELL)
      );
      return { kind: 'table', columns, rows };
    }
    case 'progress':
      return isNumber(data.n)
        ? {
            kind: 'progress',
            done: data.n,
            total: isNumber(data.total) ? data.total : null
          }
        : null;
    case 'log':
    case 'value':
      return { kind: data.kind, lines: texts(data.lines, MAX_ROWS, MAX_LINE) };
    default:
      return null;
  }
}

function readSeries(data: unknown): { name: string; points: Points }[] {
  if (!isFields(data) || typeof data.name !== 'string') {
    return [];
  }
  const x = listOf(data.x, MAX_POINTS);
  const y = listOf(data.y, MAX_POINTS);
  const points = new Points(MAX_POINTS);
  x.forEach((at, i) => {
    const value = y[i];
    if (isNumber(at)) {
      points.push(at, isNumber(value) ? value : NaN);
    }
  });
  const name = cut(data.name, MAX_CELL);
  return points.length === 0 ? [] : [{ name, points }];
}

function listOf(data: unknown, most: number): unknown[] {
  return Array.isArray(data) ? data.slice(0, most) : [];
}

function texts(data: unknown, most: number, characters: number): string[] {
  return listOf(data, most).map(one => cut(textOf(one), characters));
}

function cut(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters)}…` : text;
}
