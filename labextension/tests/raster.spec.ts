import { describe, expect, it } from 'vitest';

import { Points } from '../src/model/points';
import type { IArea } from '../src/views/plot/line';
import { type IStroke, Raster } from '../src/views/plot/raster';

const WIDTH = 10;
const HEIGHT = 20;
const RED: IStroke = { color: '#ff0000', width: 2, dash: [] };

/** A picture of 10 × 20 pixels that shows x from `from` to `from + 10`, y from 0 to 20: one pixel is one unit. */
function area(from = 0): IArea {
  const x = [from, from + WIDTH] as const;
  return { x, y: [0, HEIGHT], left: 0, top: 0, width: WIDTH, height: HEIGHT };
}

/** A picture of points, given as `[x, y]`. */
function drawn(
  given: readonly (readonly [number, number])[],
  stroke = RED,
  from = 0,
  raster = new Raster(WIDTH, HEIGHT)
): Raster {
  const points = new Points(1_000);
  given.forEach(([x, y]) => points.push(x, y));
  raster.draw(points, area(from), stroke);
  return raster;
}

/** The alpha of a column's pixels, from the top down. */
function column({ pixels }: Raster, at: number): number[] {
  return Array.from(
    { length: HEIGHT },
    (_, row) => pixels[row * WIDTH + at] >>> 24
  );
}

/** The rows that are covered, in full or in part: the first, and the one after the last. */
function rows(raster: Raster, at: number): [number, number] | null {
  const alphas = column(raster, at);
  const first = alphas.findIndex(alpha => alpha > 0);
  const after = HEIGHT - [...alphas].reverse().findIndex(alpha => alpha > 0);
  return first < 0 ? null : [first, after];
}

describe('Raster', () => {
  it('covers in each column what is between its least and its greatest point, as thick as the line', () => {
    const raster = drawn([
      [3.1, 5],
      [3.4, 12],
      [3.9, 8]
    ]);
    // The top is 20: from 12 + 1 down to 5 - 1.
    expect(rows(raster, 3)).toEqual([7, 16]);
    expect(column(raster, 3)[10]).toBe(255);
    expect(rows(raster, 2)).toBeNull();
    expect(rows(raster, 4)).toBeNull();
  });

  it('leaves no hole between neighbouring columns, nor where columns have no points', () => {
    const raster = drawn([
      [1.5, 2],
      [2.5, 18],
      [6.5, 2]
    ]);
    for (let at = 1; at < 6; at++) {
      const [top, bottom] = rows(raster, at)!;
      const [nextTop, nextBottom] = rows(raster, at + 1)!;
      expect(Math.max(top, nextTop)).toBeLessThan(Math.min(bottom, nextBottom));
    }
  });

  it('covers all points at the right edge, in the last column', () => {
    const raster = drawn([
      [8.5, 10],
      [9.5, 10],
      [10, 2],
      [10, 18]
    ]);
    expect(rows(raster, 9)).toEqual([1, 19]);
    expect(rows(raster, 8)).toEqual([9, 11]);
  });

  it('breaks the line where a value is missing', () => {
    const raster = drawn([
      [1.5, 10],
      [4, NaN],
      [6.5, 10]
    ]);
    expect([1, 2, 3, 4, 5, 6].map(at => rows(raster, at) !== null)).toEqual([
      true,
      false,
      false,
      false,
      false,
      true
    ]);
  });

  it('blends the ends of a span by what they cover', () => {
    const alphas = column(drawn([[3.5, 9.75]]), 3);
    // From 9.25 to 11.25 from the top.
    expect(alphas.slice(8, 13)).toEqual([0, 191, 255, 64, 0]);
  });

  it('draws later lines over earlier ones', () => {
    const raster = drawn([[3.5, 10]]);
    drawn([[3.5, 10.5]], { ...RED, color: '#0000ff' }, 0, raster);
    const pixel = (row: number): number[] => {
      const value = raster.pixels[row * WIDTH + 3];
      return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255];
    };
    expect(pixel(9)).toEqual([0, 0, 255]);
    // Half of this one is red alone.
    expect(pixel(10)).toEqual([128, 0, 128]);
  });

  it('keeps each column as it is while the picture moves on', () => {
    const given = Array.from(
      { length: 400 },
      (_, i) => [i / 10, 10 + 8 * Math.sin(i * 7)] as const
    );
    const still = drawn(given, { ...RED, dash: [3, 2] }, 10);
    const moved = drawn(given, { ...RED, dash: [3, 2] }, 14);
    for (let at = 4; at < WIDTH; at++) {
      expect(column(moved, at - 4)).toEqual(column(still, at));
    }
  });

  it('leaves out the columns between dashes', () => {
    const given = Array.from({ length: 100 }, (_, i) => [i / 10, 10] as const);
    const raster = drawn(given, { ...RED, dash: [3, 2] });
    expect(
      Array.from({ length: WIDTH }, (_, at) =>
        rows(raster, at) === null ? '.' : '#'
      ).join('')
    ).toBe('###..###..');
  });

  it('draws what can be seen of a line that comes from far outside and goes there', () => {
    const raster = drawn([
      [-500, 10],
      [500, 10]
    ]);
    for (let at = 0; at < WIDTH; at++) {
      expect(rows(raster, at)).toEqual([9, 11]);
    }
    const steep = drawn([
      [2.5, 50],
      [3.5, 50],
      [4.5, -30]
    ]);
    expect([2, 3, 4].map(at => rows(steep, at))).toEqual([
      null,
      [0, 11],
      [9, HEIGHT]
    ]);
  });

  it('is empty again when it is cleared', () => {
    const raster = drawn([[3.5, 10]]);
    raster.clear();
    expect(raster.pixels.every(pixel => pixel === 0)).toBe(true);
  });
});
