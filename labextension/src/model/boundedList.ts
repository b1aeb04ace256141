/** A list that forgets its oldest items when it holds too many, or too much. */
export class BoundedList<T> {
  /**
   * @param maxItems - items kept at most
   * @param maxSize - the sum of the items' sizes kept at most; one item may pass it alone
   */
  constructor(
    readonly maxItems: number,
    readonly maxSize: number
  ) {}

  get length(): number {
    return this._items.length - this._start;
  }

  /** How many items were forgotten: the ordinal, from 0, of the oldest one kept. */
  get forgotten(): number {
    return this._forgotten;
  }

  /** The item at `index`, 0 being the oldest kept. */
  at(index: number): T | undefined {
    return this._items[this._start + index];
  }

  get last(): T | undefined {
    return this.length > 0 ? this._items[this._items.length - 1] : undefined;
  }

  push(item: T, size: number): void {
    this._items.push(item);
    this._sizes.push(size);
    this._size += size;
    while (
      this.length > this.maxItems ||
      (this._size > this.maxSize && this.length > 1)
    ) {
      this._size -= this._sizes[this._start];
      this._start++;
      this._forgotten++;
    }
    // Now and then, so that forgetting costs a constant per item.
    if (this._start > 1024 && this._start > this._items.length / 2) {
      this._items = this._items.slice(this._start);
      this._sizes = this._sizes.slice(this._start);
      this._start = 0;
    }
  }

  clear(): void {
    this._items = [];
    this._sizes = [];
    this._start = 0;
    this._size = 0;
    this._forgotten = 0;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = this._start; i < this._items.length; i++) {
      yield this._items[i];
    }
  }

  private _items: T[] = [];
  private _sizes: number[] = [];
  private _start = 0;
  private _size = 0;
  private _forgotten = 0;
}
