/** A stretch of text with one look. */
export interface IAnsiSpan {
  readonly text: string;
  /** Classes that JupyterLab's own output styles, e.g. `ansi-red-fg`. */
  readonly className: string;
}

const COLORS = [
  'black',
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  'white'
];
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-9;]*)([A-Za-z])/g;

/** Split text at its ANSI colour codes; all other escape sequences are dropped. */
export function splitAnsi(text: string): IAnsiSpan[] {
  if (!text.includes('\x1b[')) {
    return [{ text, className: '' }];
  }
  const spans: IAnsiSpan[] = [];
  const look = new Look();
  let start = 0;
  for (const match of text.matchAll(ESCAPE)) {
    if (match.index > start) {
      spans.push({
        text: text.slice(start, match.index),
        className: look.className
      });
    }
    if (match[2] === 'm') {
      look.apply(match[1].split(';').map(Number));
    }
    start = match.index + match[0].length;
  }
  if (start < text.length) {
    spans.push({ text: text.slice(start), className: look.className });
  }
  return spans;
}

/** The state that SGR codes change. */
class Look {
  get className(): string {
    return [...this._styles, this._front, this._back].filter(Boolean).join(' ');
  }

  apply(codes: number[]): void {
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 38 || code === 48) {
        // 256 and true colours have no class: skip their arguments.
        i += codes[i + 1] === 5 ? 2 : 4;
      } else {
        this._applyOne(code);
      }
    }
  }

  private _applyOne(code: number): void {
    if (code === 0) {
      this._styles.clear();
      this._front = '';
      this._back = '';
    } else if (code === 1 || code === 4) {
      this._styles.add(code === 1 ? 'ansi-bold' : 'ansi-underline');
    } else if (code === 22 || code === 24) {
      this._styles.delete(code === 22 ? 'ansi-bold' : 'ansi-underline');
    } else if (code === 39) {
      this._front = '';
    } else if (code === 49) {
      this._back = '';
    } else {
      this._applyColor(code);
    }
  }

  private _applyColor(code: number): void {
    const isBright = code >= 90;
    const base = isBright ? code - 60 : code;
    const color = COLORS[base % 10];
    if (color === undefined) {
      return;
    }
    const name = `ansi-${color}${isBright ? '-intense' : ''}`;
    if (base >= 30 && base < 38) {
      this._front = `${name}-fg`;
    } else if (base >= 40 && base < 48) {
      this._back = `${name}-bg`;
    }
  }

  private readonly _styles = new Set<string>();
  private _front = '';
  private _back = '';
}
