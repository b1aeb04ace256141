/** How far back a late point is sorted in. */
const MAX_DISORDER = 1_000;
const FIRST_CAPACITY = 256;

/** Room for points, and how many look at it that must not see it change. */
class Room {
  constructor(readonly capacity: number) {
    this.x = new Float64Array(capacity);
    this.y = new Float64Array(capacity);
  }

  readonly x: Float64Array;
  readonly y: Float64Array;
  readers = 0;
}

const NO_ROOM = new Room(0);

/**
 * The newest points of one series, sorted by x, in contiguous memory.
 *
 * A `NaN` in y is a break of the line. Equal x stay in the order they came.
 */
export class Points {
  /** @param limit - points kept at most */
  constructor(public limit: number) {}

  get length(): number {
    return this._end - this._start;
  }

  /** The x of the points, oldest first: a view that the next push may change. */
  get x(): Float64Array {
    return this._room.x.subarray(this._start, this._end);
  }

  /** The y of the points, as {@link x}. */
  get y(): Float64Array {
    return this._room.y.subarray(this._start, this._end);
  }

  get firstX(): number {
    return this.length > 0 ? this._room.x[this._start] : NaN;
  }

  get lastX(): number {
    return this.length > 0 ? this._room.x[this._end - 1] : NaN;
  }

  /** The newest y that is a number, or `NaN`. */
  get lastY(): number {
    const { y } = this._room;
    for (let i = this._end - 1; i >= this._start; i--) {
      if (!Number.isNaN(y[i])) {
        return y[i];
      }
    }
    return NaN;
  }

  /** @returns whether the point was taken; one that is too late to be sorted in is not */
  push(x: number, y: number): boolean {
    if (this._end === this._room.capacity) {
      this._makeRoom(1);
    }
    const { x: xs, y: ys } = this._room;
    let place = this._end;
    const oldest = Math.max(this._start, place - MAX_DISORDER);
    while (place > oldest && xs[place - 1] > x) {
      place--;
    }
    if (place === oldest && place > this._start && xs[place - 1] > x) {
      return false;
    }
    if (place < this._end) {
      xs.copyWithin(place + 1, place, this._end);
      ys.copyWithin(place + 1, place, this._end);
    }
    xs[place] = x;
    ys[place] = y;
    this._end++;
    this._start = Math.max(this._start, this._end - this.limit);
    return true;
  }

  /**
   * Take many points at the cost of copying them.
   *
   * @param x - in ascending order; what is too late to be sorted in is not taken
   */
  pushAll(x: Float64Array, y: Float64Array): void {
    if (x[0] < this.lastX) {
      for (let i = 0; i < x.length; i++) {
        this.push(x[i], y[i]);
      }
      return;
    }
    const first = Math.max(0, x.length - this.limit);
    const count = x.length - first;
    if (this._end + count > this._room.capacity) {
      this._makeRoom(count);
    }
    this._room.x.set(x.subarray(first), this._end);
    this._room.y.set(y.subarray(first), this._end);
    this._end += count;
    this._start = Math.max(this._start, this._end - this.limit);
  }

  /**
   * The points as they are now, at no cost: later ones are written beside them, or elsewhere, until {@link release}. Only a
   * late point that is sorted in among the newest shows in both.
   */
  still(): Points {
    const points = new Points(this.limit);
    points._room = this._room;
    points._start = this._start;
    points._end = this._end;
    this._room.readers++;
    return points;
  }

  /** These still points are looked at no more: their room may be used again. */
  release(): void {
    this._room.readers--;
    this._room = NO_ROOM;
    this._start = 0;
    this._end = 0;
  }

  /** The index of the first point with x ≥ `x`. */
  indexOf(x: number): number {
    return this._search(value => value < x);
  }

  /** The index of the first point with x > `x`. */
  indexAfter(x: number): number {
    return this._search(value => value <= x);
  }

  /** The index of the first point of whose x `isBefore` does not hold. */
  private _search(isBefore: (value: number) => boolean): number {
    const { x } = this._room;
    let low = this._start;
    let high = this._end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(x[middle])) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - this._start;
  }

  /**
   * Grow, or slide the kept points back to the start, so that pushing costs a constant.
   *
   * @param count - points to come, at most the limit
   */
  private _makeRoom(count: number): void {
    const kept = Math.min(this.length, Math.max(0, this.limit - count));
    const needed = kept + count;
    const capacity = Math.max(FIRST_CAPACITY, needed * 2);
    const most = Math.max(needed, Math.ceil(this.limit * 1.5));
    const old = this._room;
    this._room = this._roomFor(Math.min(capacity, most));
    this._room.x.set(old.x.subarray(this._end - kept, this._end));
    this._room.y.set(old.y.subarray(this._end - kept, this._end));
    this._start = 0;
    this._end = kept;
    // Room that has grown as far as it may will be wanted again as it is.
    this._spare = old.capacity === this._room.capacity ? old : null;
  }

  /** The system takes longer to give memory than it takes to copy what the points need of it. */
  private _roomFor(capacity: number): Room {
    const spare = this._spare;
    return spare?.capacity === capacity && spare.readers === 0
      ? spare
      : new Room(capacity);
  }

  private _room = NO_ROOM;
  private _spare: Room | null = null;
  private _start = 0;
  private _end = 0;
}
