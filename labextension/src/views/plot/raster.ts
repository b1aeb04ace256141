import type { Points } from '../../model/points';
import { type IArea, shownPart } from './line';

/** How a line is drawn. */
export interface IStroke {
  /** `#rrggbb` */
  readonly color: string;
  /** In pixels. */
  readonly width: number;
  /** Lengths of dashes and of what is between them, in pixels; empty for a solid line. */
  readonly dash: readonly number[];
}

/**
 * A picture of dense lines, by pixel columns.
 *
 * Over dense data a line is a vertical span in each column of pixels, whose ends alone need blending: filling them costs a
 * fifth of what the canvas takes to stroke the same line, for it cuts thousands of steep edges into fractions of pixels.
 */
export class Raster {
  /** The pixels as a canvas takes them. */
  get image(): ImageData {
    this._image ??= new ImageData(
      new Uint8ClampedArray(this.pixels.buffer as ArrayBuffer),
      this.width,
      this.height
    );
    return this._image;
  }

  /** Row by row, each pixel as red, green, blue and alpha from the lowest byte up, not multiplied. */
  readonly pixels: Uint32Array;

  constructor(
    readonly width: number,
    readonly height: number
  ) {
    this.pixels = new Uint32Array(width * height);
  }

  clear(): void {
    this.pixels.fill(0);
  }

  /**
   * Draw a line over what there is. Columns stand at fixed places of x, to the pixel, so that a moving picture does not
   * shimmer.
   *
   * @param area - what is shown; the picture's first pixel is its upper left corner
   * Dashes, too, are of columns: along such a line they would be dust.
   */
  draw(points: Points, area: IArea, stroke: IStroke): void {
    const { x, y } = points;
    const { from, to } = shownPart(points, area);
    const columnWidth = (area.x[1] - area.x[0]) / area.width;
    const first = Math.round(area.x[0] / columnWidth);
    const scale = area.height / (area.y[1] - area.y[0]);
    this._rgb = rgbOf(stroke.color);
    this._half = stroke.width / 2;
    this._dash = stroke.dash;
    this._period = stroke.dash.reduce((sum, length) => sum + length, 0);
    this._first = first;
    this._column = NaN;
    for (let i = from; i < to;) {
      if (Number.isNaN(y[i])) {
        this._end();
        i++;
        continue;
      }
      // The right edge belongs to the last column: a picture that follows its stream ends there.
      const isAtEdge = x[i] === area.x[1];
      const column = isAtEdge
        ? first + this.width - 1
        : Math.floor(x[i] / columnWidth);
      const end = (column + (isAtEdge ? 2 : 1)) * columnWidth;
      const entry = y[i];
      let low = entry;
      let high = entry;
      for (i++; i < to && x[i] < end && !Number.isNaN(y[i]); i++) {
        if (y[i] < low) {
          low = y[i];
        } else if (y[i] > high) {
          high = y[i];
        }
      }
      const toY = (value: number): number =>
        area.height - (value - area.y[0]) * scale;
      this._join(column - first, toY(entry));
      this._widen(toY(high), toY(low));
      this._last = toY(y[i - 1]);
    }
    this._end();
  }

  /** Go on to a column, where the line comes in at `entry`; it may pass columns without points on its way. */
  private _join(column: number, entry: number): void {
    const steps = column - this._column;
    if (steps === 0) {
      this._widen(entry, entry);
      return;
    }
    if (!(steps > 0)) {
      this._end();
      this._begin(column, entry);
      return;
    }
    const slope = (entry - this._last) / steps;
    const left = this._column;
    const { _last: start } = this;
    this._widen(
      Math.min(start, start + slope / 2),
      Math.max(start, start + slope / 2)
    );
    this._end();
    // What cannot be seen need not be passed.
    const passed = Math.min(steps, this.width - left);
    for (let step = Math.max(1, -left); step < passed; step++) {
      const at = start + slope * (step - 0.5);
      this._begin(left + step, at);
      this._widen(Math.min(at, at + slope), Math.max(at, at + slope));
      this._end();
    }
    const half = entry - slope / 2;
    this._begin(column, entry);
    this._widen(Math.min(half, entry), Math.max(half, entry));
  }

  private _begin(column: number, at: number): void {
    this._column = column;
    this._top = at;
    this._bottom = at;
  }

  private _widen(top: number, bottom: number): void {
    this._top = Math.min(this._top, top);
    this._bottom = Math.max(this._bottom, bottom);
  }

  /** Fill the span of the column under way, as thick as the line. */
  private _end(): void {
    const { width, height, pixels, _column: column } = this;
    this._column = NaN;
    if (!(column >= 0 && column < width) || this._isBetweenDashes(column)) {
      return;
    }
    const top = Math.max(this._top - this._half, 0);
    const bottom = Math.min(this._bottom + this._half, height);
    if (!(top < bottom)) {
      return;
    }
    const first = Math.floor(top);
    const last = Math.min(Math.floor(bottom), height - 1);
    if (first === last) {
      this._blend(first * width + column, bottom - top);
      return;
    }
    const opaque = (this._rgb | OPAQUE) >>> 0;
    this._blend(first * width + column, first + 1 - top);
    const stop = last * width + column;
    for (let at = (first + 1) * width + column; at < stop; at += width) {
      pixels[at] = opaque;
    }
    this._blend(stop, bottom - last);
  }

  private _isBetweenDashes(column: number): boolean {
    let rest = (this._first + column) % this._period;
    // Of no dashes the period is 0, and the rest no number.
    rest = rest < 0 ? rest + this._period : rest;
    for (let i = 0; i < this._dash.length; i++) {
      rest -= this._dash[i];
      if (rest < 0) {
        return i % 2 === 1;
      }
    }
    return false;
  }

  /** Lay the colour over a pixel that it covers in part. */
  private _blend(index: number, share: number): void {
    const old = this.pixels[index];
    const under = (old >>> 24) / 255;
    const over = Math.min(share, 1);
    const alpha = over + under * (1 - over);
    if (alpha <= 0) {
      return;
    }
    const weight = over / alpha;
    let mixed = Math.round(alpha * 255) << 24;
    for (let shift = 0; shift < 24; shift += 8) {
      const ours = (this._rgb >>> shift) & 0xff;
      const theirs = (old >>> shift) & 0xff;
      mixed |= Math.round(theirs + (ours - theirs) * weight) << shift;
    }
    this.pixels[index] = mixed >>> 0;
  }

  private _image: ImageData | null = null;
  private _rgb = 0;
  private _half = 0;
  private _dash: readonly number[] = [];
  private _period = 0;
  /** The place of the picture's first column among all columns of x. */
  private _first = 0;
  /** The column under way, `NaN` where the line is broken, and its span. */
  private _column = NaN;
  private _top = 0;
  private _bottom = 0;
  /** Where the line left the column under way. */
  private _last = 0;
}

const OPAQUE = 0xff000000;

/** `#rrggbb` with red in the lowest byte. */
function rgbOf(color: string): number {
  const value = Number.parseInt(color.slice(1), 16);
  return ((value & 0xff) << 16) | (value & 0xff00) | ((value >>> 16) & 0xff);
}
