import type { IEvent } from '../model/event';
import { button, element, setText } from './node';
import type { IView, IViewHost } from './view';

/** The tree is made anew at most this often. */
const UPDATE_MS = 250;
const MAX_CHILDREN = 200;
const MAX_DEPTH = 12;
const MAX_INLINE = 16;
const MAX_TEXT = 2_000;
/** Larger events are not drawn. */
const MAX_EVENT = 1_000_000;

/** The newest event as it came: JSON as a tree to fold, text as text. */
export class RawView implements IView {
  /** @param hint - what the rules would rather show, or the empty text */
  constructor(
    private readonly _host: IViewHost,
    private readonly _hint: string
  ) {
    this._tree.tabIndex = 0;
    this.node.append(this._title, this._tree);
  }

  readonly node = element('div', 'jp-SseView-raw');
  readonly isCompact = false;
  readonly isMoving = false;
  readonly leftAt = null;
  readonly windowMenu = null;
  readonly showGap = null;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  wantsFrame(): boolean {
    const { last } = this._host.model;
    return (
      last !== null &&
      last.event !== this._shownEvent &&
      !this._host.isPaused &&
      performance.now() - this._shownAt >= UPDATE_MS
    );
  }

  paint(): void {
    if (!this.wantsFrame()) {
      return;
    }
    const { event, value } = this._host.model.last!;
    this._shownEvent = event;
    this._shownAt = performance.now();
    const hint = this._hint === '' ? '' : `  ·  ${this._hint}`;
    setText(this._title, `Event ${event.ordinal}  ·  ${event.type}${hint}`);
    const content = value.kind === 'text' ? value.text : value.value;
    this._tree.replaceChildren(
      ...(event.data.length > MAX_EVENT
        ? this._offer(event, value.kind === 'text' ? 'txt' : 'json')
        : [this._node('', content, '', 0)])
    );
  }

  /** What stands in place of an event that is too large to be drawn. */
  private _offer(event: IEvent, extension: string): (string | HTMLElement)[] {
    const { model, context } = this._host;
    const megabytes = (event.data.length / 1e6).toFixed(1);
    const at = context.timeFormat.forFileName(event.at);
    // A stream's name is a path; its other characters may all stand in the name of a file.
    const fileName = `${model.name.replaceAll('/', '_')}_${at}.${extension}`;
    return [
      `An event of ${megabytes} MB is not drawn. `,
      button('Download', () => context.actions.download(fileName, event.data))
    ];
  }

  resize(): void {
    this._host.requestPaint();
  }

  goLive(): void {
    this._host.requestPaint();
  }

  handleKey(): boolean {
    return false;
  }

  describe(): string {
    return this._title.textContent ?? '';
  }

  dispose(): void {
    this._isDisposed = true;
    this.node.remove();
  }

  private _node(
    key: string,
    value: unknown,
    path: string,
    depth: number
  ): HTMLElement {
    if (typeof value !== 'object' || value === null || isShortList(value)) {
      return leaf(key, value);
    }
    const entries = Object.entries(value);
    const details = element('details', 'jp-SseView-rawBranch');
    details.open = this._open.get(path) ?? depth < 2;
    const size = Array.isArray(value)
      ? `[${entries.length}]`
      : `{${entries.length}}`;
    const summary = element('summary', '');
    summary.append(keyNode(key), element('span', 'jp-SseView-rawSize', size));
    details.append(summary);
    const fill = (): void => {
      if (details.open && details.childElementCount === 1) {
        details.append(...this._children(entries, path, depth));
      }
    };
    details.addEventListener('toggle', () => {
      // Only what differs is remembered: events may bring new paths for ever.
      if (details.open === depth < 2) {
        this._open.delete(path);
      } else {
        this._open.set(path, details.open);
      }
      fill();
    });
    fill();
    return details;
  }

  private _children(
    entries: [string, unknown][],
    path: string,
    depth: number
  ): HTMLElement[] {
    if (depth >= MAX_DEPTH) {
      return [leaf('', '…')];
    }
    const nodes = entries
      .slice(0, MAX_CHILDREN)
      .map(([key, value]) =>
        this._node(key, value, `${path}/${key}`, depth + 1)
      );
    if (entries.length > MAX_CHILDREN) {
      nodes.push(leaf('', `… ${entries.length - MAX_CHILDREN} more`));
    }
    return nodes;
  }

  private readonly _title = element('div', 'jp-SseView-rawTitle');
  private readonly _tree = element('div', 'jp-SseView-rawTree');
  // What the user has folded stays folded in the next event.
  private readonly _open = new Map<string, boolean>();
  private _shownEvent: unknown = null;
  private _shownAt = -Infinity;
  private _isDisposed = false;
}

/** A few numbers read better in one line than in a branch of their own. */
function isShortList(value: object): boolean {
  return (
    Array.isArray(value) &&
    value.length <= MAX_INLINE &&
    value.every(one => typeof one !== 'object' && typeof one !== 'string')
  );
}

function leaf(key: string, value: unknown): HTMLElement {
  const node = element('div', 'jp-SseView-rawLeaf');
  const text = Array.isArray(value)
    ? `[${value.map(one => JSON.stringify(one)).join(', ')}]`
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
  const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  const valueNode = element('span', 'jp-SseView-rawValue', shown);
  valueNode.dataset.type = Array.isArray(value)
    ? 'number'
    : value === null
      ? 'null'
      : typeof value;
  node.append(keyNode(key), valueNode);
  return node;
}

function keyNode(key: string): HTMLElement {
  return element('span', 'jp-SseView-rawKey', key === '' ? '' : `${key}: `);
}
