import { describe, expect, it } from 'vitest';

import { Points } from '../src/model/points';
import { type IArea, traceLine } from '../src/views/plot/line';
import { drawable } from '../src/views/plot/range';
import { rightSide } from '../src/views/plot/sides';
import {
  NUMBER_STEPS,
  numberTicks,
  timeTicks,
  timeTickSpace
} from '../src/views/plot/ticks';
import { around, type IExtent, Viewport } from '../src/views/plot/viewport';
import {
  defaultWidth,
  describeWidth,
  parseWidth
} from '../src/views/plot/window';
import { extremes, YRange } from '../src/views/plot/yRange';
import {
  decimalsOf,
  formatColumn,
  formatDuration,
  formatNumber,
  formatRate,
  formatValue,
  TimeFormat
} from '../src/views/format';

function points(x: number[], y: number[] = x): Points {
  const made = new Points(1_000_000);
  x.forEach((at, i) => made.push(at, y[i]));
  return made;
}

const series = (name: string, made: Points): IExtent['series'][number] => ({
  name,
  points: made,
  past: [],
  isCounter: false
});
const range = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => i);

describe('Viewport', () => {
  const MINUTE = 60_000;
  const extent = (edge: number, xs: number[]): IExtent => ({
    isTime: true,
    isLive: true,
    edge,
    series: [series('a', points(xs))]
  });

  it('begins a young run at the left and slides with an old one', () => {
    const viewport = new Viewport();
    viewport.automaticWidth = { kind: 'time', ms: MINUTE };
    expect(viewport.range(extent(1_000, [0, 900]))).toEqual([0, 10_000]);
    expect(viewport.range(extent(30_000, [0]))).toEqual([0, 30_000]);
    expect(viewport.range(extent(90_000, [0]))).toEqual([30_000, 90_000]);
  });

  it('shows all of a short run that is over', () => {
    const viewport = new Viewport();
    viewport.automaticWidth = { kind: 'time', ms: MINUTE };
    const over = { ...extent(1_200, [0, 1_200]), isLive: false };
    expect(viewport.range(over)).toEqual([0, 1_200]);
  });

  it('shows the whole run, also of one point', () => {
    const viewport = new Viewport();
    const numbers = {
      isTime: false,
      isLive: false,
      edge: 9,
      series: [series('a', points([2, 9]))]
    };
    expect(viewport.range(numbers)).toEqual([2, 9]);
    const one = { ...numbers, edge: 2, series: [series('a', points([2]))] };
    expect(viewport.range(one)).toEqual([1.5, 2.5]);
  });

  it('shows the newest points of a number axis', () => {
    const viewport = new Viewport();
    viewport.chosenWidth = { kind: 'points', points: 10 };
    expect(
      viewport.range({
        isTime: false,
        isLive: false,
        edge: 99,
        series: [series('a', points(range(100)))]
      })
    ).toEqual([90, 99]);
  });

  it('stands still where the user put it, whatever comes', () => {
    const viewport = new Viewport();
    viewport.detach([10, 20]);
    expect(viewport.isFollowing).toBe(false);
    expect(viewport.range(extent(500_000, [0]))).toEqual([10, 20]);
    viewport.follow();
    expect(viewport.range(extent(500_000, [0]))?.[1]).toBe(500_000);
  });

  it('keeps following while its width is zoomed', () => {
    const viewport = new Viewport();
    viewport.automaticWidth = { kind: 'time', ms: MINUTE };
    viewport.zoom(extent(90_000, [0]), 0.5, 40_000);
    expect(viewport.isFollowing).toBe(true);
    expect(viewport.range(extent(90_000, [0]))).toEqual([60_000, 90_000]);
  });

  it('zooms around the pointer when it stands still', () => {
    const viewport = new Viewport();
    viewport.detach([0, 100]);
    viewport.zoom(extent(500_000, [0]), 0.5, 25);
    expect(viewport.range(extent(500_000, [0]))).toEqual([12.5, 62.5]);
  });

  it('is nothing before the first point', () => {
    const empty = { isTime: true, isLive: true, edge: 5, series: [] };
    expect(new Viewport().range(empty)).toBeNull();
  });
});

describe('around', () => {
  const gap = { reason: 'evicted', count: 3, after: 1 };

  it.each([
    ['a narrow gap, in what is shown now', 100, 102, [51, 151]],
    ['a wide gap, all of it', 1_000, 3_000, [0, 4_000]],
    ['a gap before the first event', NaN, 100, [50, 150]],
    ['a gap after the newest event', 100, NaN, [50, 150]],
    ['a gap alone', NaN, NaN, null]
  ])('brings into view %s', (_, from, to, range) => {
    expect(around({ from, to, gap }, [900, 1_000])).toEqual(range);
  });
});

describe('parseWidth', () => {
  it.each([
    ['60s', 'Last 60 s'],
    ['60 s', 'Last 60 s'],
    ['90 seconds', 'Last 90 s'],
    ['5 min', 'Last 5 min'],
    ['5m', 'Last 5 min'],
    ['1h', 'Last 1 h'],
    ['250 ms', 'Last 0.25 s'],
    ['1000', 'Last 1,000'],
    ['ALL', 'All']
  ])('reads %s', (text, described) => {
    expect(describeWidth(parseWidth(text)!)).toBe(described);
  });

  it.each([
    [''],
    ['soon'],
    ['-5 s'],
    ['0'],
    ['5 parsecs'],
    ['10 constructor'],
    ['10 toString']
  ])('refuses %j', text => {
    expect(parseWidth(text)).toBeNull();
  });
});

describe('defaultWidth', () => {
  const pace = { isTime: true, earlyEvents: 50, events: 500, ageMs: 60_000 };

  it.each([
    [pace, 'Last 60 s'],
    [{ ...pace, isTime: false }, 'All'],
    [{ ...pace, earlyEvents: 3, events: 36 }, 'Last 15 min'],
    [{ ...pace, earlyEvents: 1, events: 3, ageMs: 3_600_000 }, 'All']
  ])('of %j is %s', (given, described) => {
    expect(describeWidth(defaultWidth(given))).toBe(described);
  });
});

describe('YRange', () => {
  it('grows at once with headroom and does not shrink at once', () => {
    const y = new YRange();
    expect(y.fit(10, 20, 0)).toEqual([9, 21]);
    const grown = y.fit(10, 40, 100);
    expect(grown).toEqual([9, 43]);
    expect(y.fit(10, 20, 200)).toEqual(grown);
    expect(y.fit(10, 20, 2_100)).toEqual(grown);
    expect(y.fit(10, 20, 2_300)).toEqual([9, 21]);
  });

  it('waits anew when the values grow again', () => {
    const y = new YRange();
    y.fit(0, 100, 0);
    y.fit(0, 10, 100);
    y.fit(0, 90, 1_500);
    expect(y.fit(0, 10, 2_200)[1]).toBeCloseTo(110);
  });

  it('keeps zero as the edge of what only touches it', () => {
    expect(new YRange().fit(0, 10, 0)).toEqual([0, 11]);
    expect(new YRange().fit(-10, 0, 0)).toEqual([-11, 0]);
  });

  it('gives a constant some room, and nothing a plain axis', () => {
    expect(new YRange().fit(5, 5, 0)).toEqual([4.5, 5.5]);
    expect(new YRange().fit(0, 0, 0)).toEqual([-1, 1]);
    expect(new YRange().fit(Infinity, -Infinity, 0)).toEqual([0, 1]);
  });

  it('looks at the visible points, breaks left out', () => {
    const made = points([0, 1, 2, 3, 4, 5], [99, 1, NaN, 3, 2, 99]);
    expect(extremes(made, 2, 4)).toEqual([1, 3]);
  });
});

describe('drawable', () => {
  // Neighbours of these ranges that a double can tell apart, and what uPlot computes of a range.
  it.each([
    [[-1.1e300, 1.1e300]],
    [[-1.7e308, 1.7e308]],
    [[1e16, 1e16 + 2]],
    [[1.7e18, 1.7e18 + 256]],
    [[-1e16 - 2, -1e16]],
    [[0, 5e-324]],
    [[0, 0]],
    [[-Infinity, Infinity]]
  ] as const)('can be divided into ticks for %j', wanted => {
    const [min, max] = drawable(wanted);
    const step = (max - min) / 50;
    expect(Number.isFinite(step)).toBe(true);
    expect(min + step).toBeGreaterThan(min);
    expect(max - step).toBeLessThan(max);
    expect(Number.isFinite(1_000 / (max - min))).toBe(true);
  });

  it('leaves ordinary ranges alone', () => {
    const now = 1_700_000_000_000;
    expect(drawable([now, now + 10])).toEqual([now, now + 10]);
    expect(drawable([-0.001, 0.002])).toEqual([-0.001, 0.002]);
  });

  it('is what both axes of a plot are given', () => {
    const near = points([1e16, 1e16 + 2]);
    const extent = { isTime: false, isLive: false, edge: near.lastX };
    const x = new Viewport().range({ ...extent, series: [series('a', near)] })!;
    expect(x).toEqual(drawable([1e16, 1e16 + 2]));
    const y = new YRange().fit(...extremes(near, ...x), 0);
    expect(y[1] - y[0]).toBeGreaterThan(900);
  });
});

describe('rightSide', () => {
  it('parts two clusters of magnitude, the first series on the left', () => {
    const all = [
      series('cpu', points([1, 2, 3], [20, 30, 25])),
      series('memory', points([1, 2, 3], [40, 40, 40])),
      series('bytes', points([1, 2, 3], [2e6, 0, 3e6])),
      series('idle', points([1, 2, 3], [0, 0, 0]))
    ];
    expect([...rightSide(all)]).toEqual(['bytes']);
    expect([...rightSide([...all].reverse())].sort()).toEqual([
      'cpu',
      'memory'
    ]);
  });

  it('does with one axis where magnitudes are near', () => {
    const near = [
      series('a', points([1], [1])),
      series('b', points([1], [100]))
    ];
    expect(rightSide(near).size).toBe(0);
  });
});

describe('traceLine', () => {
  const area: IArea = {
    x: [0, 100],
    y: [0, 100],
    left: 0,
    top: 0,
    width: 100,
    height: 100
  };

  function trace(made: Points): { path: string; dots: number[][] } {
    const path: string[] = [];
    const dots: number[][] = [];
    traceLine(
      made,
      area,
      {
        moveTo: (x, y) => path.push(`M${x},${y}`),
        lineTo: (x, y) => path.push(`L${x},${y}`)
      },
      (x, y) => dots.push([x, y])
    );
    return { path: path.join(' '), dots };
  }

  it('joins points and breaks at NaN', () => {
    const made = points([10, 20, 25, 30, 40], [0, 100, NaN, 50, 50]);
    expect(trace(made).path).toBe('M10,100 L20,0 M30,50 L40,50');
  });

  it('marks a point without neighbours', () => {
    const xs = [10, 15, 20, 25, 30, 31, 32, 33, 34, 35];
    const made = points(xs, [1, NaN, 50, NaN, 1, 1, 1, 1, 1, 1]);
    expect(trace(made).dots).toEqual([
      [10, 99],
      [20, 50]
    ]);
  });

  it('draws dense data by columns and keeps every extreme', () => {
    const xs = range(10_000).map(i => i / 100);
    const ys = xs.map((_, i) => (i === 5_050 ? 100 : i === 7_070 ? 0 : 50));
    const { path } = trace(points(xs, ys));
    expect(path.split(' ').length).toBeLessThan(450);
    expect(path).toContain('L50.5,0');
    expect(path).toContain('L70.5,100');
  });

  it('goes through all points at the very edge', () => {
    const made = points([0, 100, 100, 100, 120], [0, 0, 50, 100, 100]);
    expect(trace(made).path).toBe('M0,100 L100,100 L100,50 L100,0 L120,0');
  });

  it('brings the line in from beyond the edges', () => {
    expect(trace(points([-50, 150], [0, 100])).path).toBe('M-50,100 L150,0');
  });
});

describe('ticks', () => {
  it('have the decimals that their distance needs', () => {
    expect(numberTicks([0, 0.25, 0.5], 0.25, 'si')).toEqual([
      '0.00',
      '0.25',
      '0.50'
    ]);
    expect(numberTicks([0, 50, 100], 50, 'si')).toEqual(['0', '50', '100']);
    expect(numberTicks([0, 25, 50], 25, 'si')).toEqual(['0', '25', '50']);
    expect(numberTicks([0, 2.5, 5], 2.5, 'si')).toEqual(['0.0', '2.5', '5.0']);
    expect(numberTicks([0, 2e6, 4e6], 2e6, 'si')).toEqual(['0', '2M', '4M']);
    expect(numberTicks([0, 2.5e6], 2.5e6, 'si')).toEqual(['0', '2.5M']);
    expect(numberTicks([1e-7, 2e-7], 1e-7, 'si')).toEqual(['1e-7', '2e-7']);
  });

  it('stand further apart where they tell parts of a second', () => {
    expect(timeTickSpace(60_000, 800)).toBe(76);
    expect(timeTickSpace(10_000, 800)).toBe(76);
    expect(timeTickSpace(2_000, 800)).toBe(110);
  });

  it('have steps for every axis, those of uPlot among them', () => {
    expect(NUMBER_STEPS).toEqual([...NUMBER_STEPS].sort((a, b) => a - b));
    expect(NUMBER_STEPS[0]).toBe(1e-32);
    expect(NUMBER_STEPS.at(-1)).toBe(5e307);
    expect(NUMBER_STEPS).toContain(0.25);
  });

  it('say as much of the time as their distance needs', () => {
    const time = new TimeFormat('UTC');
    const at = Date.UTC(2026, 10, 22, 14, 3, 20);
    expect(timeTicks([at], 5_000, time)).toEqual(['14:03:20']);
    expect(timeTicks([at], 60_000, time)).toEqual(['14:03']);
    expect(timeTicks([at], 100, time)).toEqual(['14:03:20.000']);
    expect(timeTicks([at], 86_400_000, time)).toEqual(['Nov 22']);
  });
});

describe('numbers in words', () => {
  it.each([
    [0, '0'],
    [7, '7'],
    [0.184, '0.184'],
    [12.3456, '12.35'],
    [123.456, '123.5'],
    [9999, '9999'],
    [72410, '72.41k'],
    [2.5e9, '2.500G'],
    [-1234567, '-1.235M'],
    [0.00012, '1.20e-4'],
    [NaN, '–']
  ])('%d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it('have the same decimals within a column', () => {
    const column = [48, 49.5, 1234567.25, 0.1 + 0.2];
    const decimals = Math.max(...column.map(decimalsOf));
    expect(decimals).toBe(3);
    expect([48, 49.5].map(value => formatColumn(value, 1))).toEqual([
      '48.0',
      '49.5'
    ]);
    expect(formatColumn(1e-7, 3)).toBe('1.00e-7');
    expect(decimalsOf(1.5e-7)).toBe(0);
    expect(formatColumn(48, 0, 'scientific')).toBe('4.80e+1');
  });

  it('carry the unit that a name tells', () => {
    expect(formatValue(12.4, 'step_ms')).toBe('12.40 ms');
    expect(formatValue(2_030_043, 'disk_bytes')).toBe('1.936 MiB');
    expect(formatValue(31, 'cpu %')).toBe('31%');
    expect(formatValue(31, 'gpu_pct')).toBe('31%');
    expect(formatValue(0.5, 'loss')).toBe('0.500');
  });

  it('tell rates and durations', () => {
    expect([0, 0.3, 12.4, 1234, 20_000].map(formatRate)).toEqual([
      '0',
      '0.3',
      '12',
      '1.2k',
      '20k'
    ]);
    expect([0, 12_000, 161_000, 3_800_000].map(formatDuration)).toEqual([
      '00:00',
      '00:12',
      '02:41',
      '1:03:20'
    ]);
  });
});
