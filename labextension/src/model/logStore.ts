import { BoundedList } from './boundedList';
import { type IEvent, type IGap, isFlagType } from './event';
import { type Fields, isFields, textOf, type Value } from './value';

const MAX_LINE = 4_096;
const TEXT_KEYS = ['message', 'msg', 'text', 'log', 'line'];
const LEVEL_KEYS = ['level', 'levelname', 'severity'];

export interface ILogLine {
  readonly kind: 'line' | 'flag' | 'gap';
  /** Unix ms. */
  readonly at: number;
  /** The level or the event's type, or the empty text. */
  readonly level: string;
  readonly text: string;
  /** What is missing here; only of kind `gap`. */
  readonly gap?: IGap;
}

/** The newest lines of a run's text. */
export class LogStore {
  /**
   * @param maxLines - lines kept at most
   * @param maxCharacters - characters kept at most
   */
  constructor(maxLines: number, maxCharacters: number) {
    this.lines = new BoundedList<ILogLine>(maxLines, maxCharacters);
  }

  readonly lines: BoundedList<ILogLine>;

  append(event: IEvent, value: Value): void {
    const kind = isFlagType(event.type) ? 'flag' : 'line';
    const type = event.type === 'message' ? '' : event.type;
    if (value.kind === 'json' && isFields(value.value)) {
      const { level, text } = readRecord(value.value);
      this._push({ kind, at: event.at, level: level || type, text });
      return;
    }
    const text =
      value.kind === 'text'
        ? value.text
        : typeof value.value === 'string'
          ? value.value
          : event.data;
    for (const line of text.split('\n')) {
      this._push({ kind, at: event.at, level: type, text: line });
    }
  }

  gap(gap: IGap, at: number): void {
    this._push({ kind: 'gap', at, level: '', text: '', gap });
  }

  clear(): void {
    this.lines.clear();
  }

  private _push(line: ILogLine): void {
    const text =
      line.text.length > MAX_LINE
        ? `${line.text.slice(0, MAX_LINE)}…`
        : line.text;
    this.lines.push({ ...line, text }, text.length);
  }
}

/** A log record: its text first, then what else it holds as `key=value`. */
function readRecord(fields: Fields): { level: string; text: string } {
  const textKey = TEXT_KEYS.find(key => typeof fields[key] === 'string');
  const levelKey = LEVEL_KEYS.find(key => isShown(fields[key]));
  const rest = Object.entries(fields)
    .filter(([key]) => key !== textKey && key !== levelKey)
    .map(([key, value]) => `${key}=${textOf(value)}`);
  const text = textKey === undefined ? [] : [fields[textKey] as string];
  return {
    level: levelKey === undefined ? '' : textOf(fields[levelKey]),
    // One record is one row: rows have one height.
    text: [...text, ...rest].join('  ').replaceAll('\n', ' ⏎ ')
  };
}

function isShown(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}
