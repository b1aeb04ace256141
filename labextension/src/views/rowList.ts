import { element } from './node';

/** Rows beyond the edges of the view that are kept ready. */
const OVERSCAN = 8;

/** Where rows come from. */
export interface IRowSource {
  readonly length: number;
  /** How many rows before the first are gone: rows keep their absolute number. */
  readonly forgotten: number;
  row(index: number): HTMLElement;
}

/**
 * A scrolling list of many rows of one height, of which only those in view exist; it stays at its newest end until the
 * user scrolls away.
 */
export class RowList {
  /**
   * @param rowHeight - CSS px
   * @param onLeave - the user has scrolled away from the end, or come back to it
   */
  constructor(
    private readonly _rowHeight: number,
    private readonly _onLeave: (hasLeft: boolean) => void
  ) {
    this._rows.className = 'jp-SseView-rowsInView';
    this.node.tabIndex = 0;
    this.node.append(this._spacer);
    this._spacer.append(this._rows);
    for (const gesture of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
      this.node.addEventListener(gesture, () => (this._isUsers = true), {
        passive: true
      });
    }
    this.node.addEventListener('scroll', () => this._scrolled());
  }

  readonly node = element('div', 'jp-SseView-rows');

  get isFollowing(): boolean {
    return this._isFollowing;
  }

  /** Go to the newest row and stay there. */
  follow(): void {
    this._isFollowing = true;
    this._isUsers = false;
  }

  /**
   * Bring a row to the middle, as if the user had scrolled there.
   *
   * @param number - of the row, those counted that are gone
   */
  reveal(number: number): void {
    const middle = (number - this._forgotten + 0.5) * this._rowHeight;
    this._isUsers = true;
    this.node.scrollTop = middle - this.node.clientHeight / 2;
    this._scrolled();
  }

  /** Show what the source holds now. */
  paint(source: IRowSource): void {
    this._source = source;
    const height = source.length * this._rowHeight;
    this._spacer.style.height = `${height}px`;
    if (this._isFollowing) {
      this.node.scrollTop = height;
    } else {
      // What was forgotten above must not move what the user reads.
      const gone = source.forgotten - this._forgotten;
      if (gone > 0) {
        this.node.scrollTop -= gone * this._rowHeight;
      }
    }
    this._forgotten = source.forgotten;
    this._render(source);
  }

  /** Make all rows anew at the next paint, e.g. because they look different now. */
  invalidate(): void {
    this._shown.forEach(row => row.remove());
    this._shown.clear();
  }

  private _render(source: IRowSource): void {
    const { clientHeight } = this.node;
    const height = source.length * this._rowHeight;
    const top = this._isFollowing
      ? Math.max(0, height - clientHeight)
      : this.node.scrollTop;
    const first = Math.max(0, Math.floor(top / this._rowHeight) - OVERSCAN);
    const last = Math.min(
      source.length,
      Math.ceil((top + clientHeight) / this._rowHeight) + OVERSCAN
    );
    const { forgotten } = source;
    for (const [number, row] of this._shown) {
      if (number < first + forgotten || number >= last + forgotten) {
        row.remove();
        this._shown.delete(number);
      }
    }
    let after: Element | null = null;
    for (let index = first; index < last; index++) {
      let row = this._shown.get(index + forgotten);
      if (row === undefined) {
        row = source.row(index);
        this._shown.set(index + forgotten, row);
        if (after === null) {
          this._rows.prepend(row);
        } else {
          after.after(row);
        }
      }
      after = row;
    }
    this._rows.style.transform = `translateY(${first * this._rowHeight}px)`;
  }

  private _scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.node;
    if (this._isUsers) {
      const isAtEnd = scrollTop + clientHeight >= scrollHeight - 4;
      if (isAtEnd !== this._isFollowing) {
        this._isFollowing = isAtEnd;
        this._onLeave(!isAtEnd);
      }
    }
    if (this._source !== null && !this._isFollowing) {
      this._render(this._source);
    }
  }

  private readonly _spacer = element('div', 'jp-SseView-spacer');
  private readonly _rows = element('div', '');
  private readonly _shown = new Map<number, HTMLElement>();
  private _source: IRowSource | null = null;
  private _forgotten = 0;
  private _isFollowing = true;
  // Only what the user does ends the following, never our own scrolling.
  private _isUsers = false;
}
