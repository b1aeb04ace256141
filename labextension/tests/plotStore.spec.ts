import { describe, expect, it } from 'vitest';

import { PlotStore } from '../src/model/plotStore';
import { Points } from '../src/model/points';
import { fed, feed, xy } from './feed';

describe('Points', () => {
  it('keeps the newest within its limit however many come', () => {
    const points = new Points(100);
    for (let i = 0; i < 10_000; i++) {
      points.push(i, -i);
    }
    expect(points.length).toBe(100);
    expect(points.firstX).toBe(9900);
    expect(points.lastX).toBe(9999);
    expect(points.lastY).toBe(-9999);
    expect(points.x.buffer.byteLength).toBeLessThanOrEqual(150 * 8);
  });

  it('sorts in what comes late, and keeps equal x in their order', () => {
    const points = new Points(100);
    [
      [1, 1],
      [3, 3],
      [2, 2],
      [3, 4],
      [1, 5]
    ].forEach(([x, y]) => points.push(x, y));
    expect(xy(points)).toEqual([
      [1, 1, 2, 3, 3],
      [1, 5, 2, 3, 4]
    ]);
  });

  it('finds the first point at or after an x', () => {
    const points = new Points(3);
    [1, 2, 3, 4, 5].forEach(x => points.push(x, x));
    expect(points.indexOf(0)).toBe(0);
    expect(points.indexOf(4)).toBe(1);
    expect(points.indexOf(4.5)).toBe(2);
    expect(points.indexOf(9)).toBe(3);
  });

  it('takes many at once as it takes them one by one', () => {
    const many = Float64Array.from({ length: 700 }, (_, i) => i);
    // One by one, all in a row, all late, and more than there is room for.
    for (const [limit, shifts] of [
      [1_000, [0, 699, 700, 1_400]],
      [1_000, [0, 350, 100]],
      [300, [0, 700, 1_400]],
      [1, [0, 700]]
    ] as const) {
      const atOnce = new Points(limit);
      const single = new Points(limit);
      for (const shift of shifts) {
        const x = many.map(at => at + shift);
        const y = many.map(at => (at % 7 === 0 ? NaN : at - shift));
        atOnce.pushAll(x, y);
        x.forEach((at, i) => single.push(at, y[i]));
      }
      expect(xy(atOnce)).toEqual(xy(single));
    }
  });

  it('keeps no more room for many at once than for one by one', () => {
    const points = new Points(1_000);
    const many = new Float64Array(600);
    for (let i = 0; i < 100; i++) {
      points.pushAll(many.fill(i), many);
    }
    expect(points.length).toBe(1_000);
    expect(points.x.buffer.byteLength).toBeLessThanOrEqual(1_500 * 8);
    const few = new Points(10);
    few.pushAll(many, many);
    expect(few.x.buffer.byteLength).toBeLessThanOrEqual(15 * 8);
  });

  it('stands still while many come at once', () => {
    const points = new Points(1_000);
    const many = new Float64Array(300);
    points.pushAll(many, many);
    const still = points.still();
    for (let i = 1; i < 20; i++) {
      points.pushAll(many.fill(i), many);
    }
    expect(xy(still)).toEqual([Array(300).fill(0), Array(300).fill(0)]);
  });

  it('takes memory once, while nobody looks at what was there', () => {
    const points = new Points(1_000);
    const many = new Float64Array(100);
    const rooms = new Set<ArrayBufferLike>();
    for (let i = 0; i < 400; i++) {
      points.pushAll(many.fill(i), many);
      const still = points.still();
      if (i >= 100) {
        rooms.add(still.x.buffer);
      }
      still.release();
    }
    expect(rooms.size).toBe(2);
    const still = points.still();
    const [before] = xy(still);
    for (let i = 400; i < 500; i++) {
      points.pushAll(many.fill(i), many);
    }
    expect(xy(still)[0]).toEqual(before);
  });

  it('knows the newest number across breaks', () => {
    const points = new Points(10);
    points.push(1, 7);
    points.push(2, NaN);
    expect(points.lastY).toBe(7);
  });
});

describe('PlotStore', () => {
  it('makes a line of each number, over the step', () => {
    const store = new PlotStore(null, 100);
    feed(store, { loss: 3, lr: 0.1, step: 1 }, { loss: 2, lr: 0.2, step: 2 });
    expect(store.axis).toEqual({ kind: 'number', key: 'step' });
    expect(store.series.map(one => one.name)).toEqual(['loss', 'lr']);
    expect(xy(store.series[0].points)).toEqual([
      [1, 2],
      [3, 2]
    ]);
  });

  it('marks the other counters, which are no measurements', () => {
    const store = new PlotStore(null, 100);
    feed(store, { loss: 3, epoch: 1, step: 1 });
    expect(store.series.map(one => [one.name, one.isCounter])).toEqual([
      ['loss', false],
      ['epoch', true]
    ]);
  });

  it('stands still for a view that is paused', () => {
    const store = new PlotStore('@n', 1_000);
    store.gap({ reason: 'evicted', count: 1, after: 0 });
    feed(store, { a: 1 }, { a: 2 });
    const still = store.still();
    const shown = (): unknown => ({
      names: still.series.map(one => one.name),
      points: xy(still.series[0].points),
      gaps: still.gaps.map(band => ({ ...band })),
      lastX: still.lastX
    });
    const before = shown();
    expect(before).toMatchObject({ names: ['a'], lastX: fed.ordinal });
    for (let i = 0; i < 5_000; i++) {
      feed(store, { a: i, b: i });
    }
    store.gap({ reason: 'evicted', count: 1, after: 9 });
    expect(shown()).toEqual(before);
    expect(xy(store.series[0].points)[0].length).toBe(1_000);
  });

  it('breaks the line at a null, and joins over a missing field', () => {
    const store = new PlotStore('@n', 100);
    fed.ordinal = 0;
    feed(store, { a: 1, b: 1 }, { a: null, b: 2 }, { b: 3 }, { a: 4, b: 4 });
    expect(xy(store.find('a')!.points)).toEqual([
      [1, 2, 4],
      [1, NaN, 4]
    ]);
  });

  it('breaks the line at a number that no axis can hold', () => {
    const store = new PlotStore('@n', 100);
    feed(store, '{"a":1}', '{"a":1e308}', '{"a":-1e999}', '{"a":2}');
    const [, y] = xy(store.series[0].points);
    expect(y).toEqual([1, NaN, NaN, 2]);
  });

  it('makes a line for each name', () => {
    const store = new PlotStore('@n', 100);
    feed(
      store,
      { sensor: 'a', temp: 1 },
      { sensor: 'b', temp: 2 },
      { sensor: 'a', temp: 3, hum: 4 }
    );
    expect(store.series.map(one => one.name)).toEqual([
      'a',
      'b',
      'a temp',
      'a hum'
    ]);
  });

  it('does not mix a named line with the counters beside it', () => {
    const store = new PlotStore('@n', 100);
    feed(store, { sensor: 'a', temp: 1, epoch: 2 });
    feed(store, { sensor: 'b', temp: [1, 2], epoch: [3, 4] });
    expect(store.series.map(one => one.name)).toEqual([
      'a',
      'a epoch',
      'b',
      'b epoch'
    ]);
  });

  it('names the lines of a list by their index and of a number "value"', () => {
    const lists = new PlotStore(null, 100);
    feed(lists, '[1, 2]');
    expect(lists.series.map(one => one.name)).toEqual(['0', '1']);
    const lone = new PlotStore(null, 100);
    feed(lone, '0.5');
    expect(lone.series.map(one => one.name)).toEqual(['value']);
  });

  it('starts a new pass when x goes back to its start', () => {
    const store = new PlotStore(null, 100);
    feed(store, { i: 0, v: 1 }, { i: 1, v: 2 }, { i: 0, v: 3 }, { i: 1, v: 4 });
    const [series] = store.series;
    expect(xy(series.points)).toEqual([
      [0, 1],
      [3, 4]
    ]);
    expect(series.past.map(xy)).toEqual([
      [
        [0, 1],
        [1, 2]
      ]
    ]);
  });

  it('keeps three earlier passes', () => {
    const store = new PlotStore(null, 100);
    for (let pass = 0; pass < 9; pass++) {
      feed(store, { i: 0, v: pass }, { i: 1, v: pass });
    }
    expect(store.series[0].past.map(points => points.lastY)).toEqual([5, 6, 7]);
  });

  it('marks a gap from the last x before to the first after, and joins nothing over it', () => {
    const store = new PlotStore('x', 100);
    feed(store, { x: 1, v: 1 });
    const gap = { reason: 'evicted', count: 3, after: 1 };
    store.gap(gap);
    expect(store.gaps).toEqual([{ from: 1, to: NaN, gap }]);
    feed(store, { x: 5, v: 5 });
    expect(store.gaps).toEqual([{ from: 1, to: 5, gap }]);
    expect(xy(store.series[0].points)).toEqual([
      [1, 1, 5],
      [1, NaN, 5]
    ]);
  });

  it('makes a line of each list, over the list that is x', () => {
    const store = new PlotStore(null, 100);
    feed(
      store,
      { t: [0, 0.5], voltage: [1, 2], dc: { current: [3, 4] }, gain: 9 },
      { t: [1, 1.5], voltage: [5, 6], dc: { current: [7, 8] }, gain: 9 }
    );
    expect(store.axis).toEqual({ kind: 'number', key: 't' });
    expect(store.series.map(one => one.name)).toEqual([
      'voltage',
      'dc.current'
    ]);
    expect(xy(store.find('voltage')!.points)).toEqual([
      [0, 0.5, 1, 1.5],
      [1, 2, 5, 6]
    ]);
    expect(store.lastX).toBe(1.5);
  });

  it('counts the points of lists that have no x, and those between', () => {
    fed.lastPoint = 0;
    const store = new PlotStore(null, 100);
    feed(store, { v: [10, 20, 30] }, { v: 40 }, { v: [50] }, 'a text', '5');
    expect(store.axis).toEqual({ kind: 'point' });
    expect(xy(store.find('v')!.points)).toEqual([
      [1, 2, 3, 4, 5],
      [10, 20, 30, 40, 50]
    ]);
    expect(store.find('value')!.points.lastX).toBe(6);
  });

  it('sets lists that come after numbers of one point where those stand', () => {
    fed.ordinal = 0;
    const store = new PlotStore(null, 100);
    feed(store, { v: 1 }, { v: [2, 3] }, { v: 4 });
    expect(store.axis).toEqual({ kind: 'append' });
    expect(xy(store.find('v')!.points)).toEqual([
      [1000, 2000, 2000, 3000],
      [1, 2, 3, 4]
    ]);
  });

  it('draws the numbers beside lists of which none is an x, unless one is wanted', () => {
    const event = { loss: 0.3, weights: [1, 2], at: [5, 6] };
    const asOnePoint = new PlotStore(null, 100);
    feed(asOnePoint, event);
    expect(asOnePoint.series.map(one => one.name)).toEqual(['loss']);
    const wanted = new PlotStore('at', 100);
    feed(wanted, event);
    expect(wanted.series.map(one => one.name)).toEqual(['weights']);
    expect(wanted.axis).toEqual({ kind: 'number', key: 'at' });
  });

  it('draws nothing of lists that differ in length or hold anything else', () => {
    const store = new PlotStore(null, 100);
    feed(store, { a: [1, 2], b: [1] }, { a: [1, 'x'] }, { a: [1, [2]] });
    expect(store.series).toEqual([]);
  });

  it('breaks the line at what is missing in a list, and where a whole list is', () => {
    fed.lastPoint = 0;
    const store = new PlotStore(null, 100);
    feed(store, '{"a":[1,null,1e400]}', { a: [null, null], b: [null, null] });
    expect(xy(store.series[0].points)).toEqual([
      [1, 2, 3, 4, 5],
      [1, NaN, NaN, NaN, NaN]
    ]);
    expect(store.series.length).toBe(1);
  });

  it('marks the other counters among the lists', () => {
    const store = new PlotStore(null, 100);
    feed(store, { step: [1, 2], epoch: [1, 1], loss: [3, 2] });
    expect(store.series.map(one => [one.name, one.isCounter])).toEqual([
      ['epoch', true],
      ['loss', false]
    ]);
  });

  it('makes a line of the lists of each name', () => {
    const store = new PlotStore(null, 100);
    feed(
      store,
      { channel: 'a', t: [0, 1], v: [1, 2] },
      { channel: 'b', t: [0, 1], v: [3, 4] },
      { channel: 'a', t: [2, 3], v: [5, 6], w: [7, 8] }
    );
    expect(store.series.map(one => one.name)).toEqual(['a', 'b', 'a v', 'a w']);
  });

  it('starts a new pass where x goes back, at a list or within', () => {
    const store = new PlotStore(null, 100);
    feed(
      store,
      { i: [0, 1, 2], v: [1, 2, 3] },
      { i: [0, 1], v: [4, 5] },
      { i: [2, 3, 0, 1], v: [6, 7, 8, 9] }
    );
    const [series] = store.series;
    expect(xy(series.points)).toEqual([
      [0, 1],
      [8, 9]
    ]);
    expect(series.past.map(xy)).toEqual([
      [
        [0, 1, 2],
        [1, 2, 3]
      ],
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7]
      ]
    ]);
    expect(store.lastX).toBe(3);
  });

  it('sorts in the lists that come late', () => {
    const store = new PlotStore(null, 100);
    feed(store, { i: [0, 1, 4, 5], v: [0, 1, 4, 5] }, { i: [2, 3], v: [2, 3] });
    const sorted = [0, 1, 2, 3, 4, 5];
    expect(xy(store.series[0].points)).toEqual([sorted, sorted]);
    expect(store.series[0].past).toEqual([]);
  });

  it('ends a gap at the first point of the lists after it', () => {
    const store = new PlotStore(null, 100);
    feed(store, { x: [1, 2], v: [1, 2] });
    const gap = { reason: 'evicted', count: 3, after: 1 };
    store.gap(gap);
    feed(store, { x: [5, 6, 7], v: [5, 6, 7] });
    expect(store.gaps).toEqual([{ from: 2, to: 5, gap }]);
    expect(xy(store.series[0].points)).toEqual([
      [1, 2, 2, 5, 6, 7],
      [1, 2, NaN, 5, 6, 7]
    ]);
  });

  it('sets a flag at the newest point of the lists before it', () => {
    fed.lastPoint = 0;
    const store = new PlotStore(null, 100);
    feed(store, { v: [1, 2, 3] });
    const event = {
      ordinal: 9,
      lastPoint: fed.lastPoint,
      at: 9,
      id: null,
      data: 'hot'
    };
    store.flag({ ...event, type: 'warning' }, 'hot');
    expect(store.flags).toEqual([{ x: 3, type: 'warning', text: 'hot' }]);
  });

  it('keeps at most a thousand lines and two million values', () => {
    const store = new PlotStore('@n', 1_000_000);
    for (let i = 0; i < 1_100; i++) {
      feed(store, { sensor: `s${i}`, v: i });
    }
    expect(store.series.length).toBe(1_000);
    const kept = store.series.reduce((sum, one) => sum + one.points.limit, 0);
    expect(2 * kept).toBeLessThanOrEqual(2_000_000);
  });
});
