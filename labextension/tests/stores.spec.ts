import { describe, expect, it } from 'vitest';

import { BoundedList } from '../src/model/boundedList';
import { LogStore } from '../src/model/logStore';
import { readProgress } from '../src/model/progress';
import { readSnapshot } from '../src/model/snapshot';
import { cellOf, TableStore } from '../src/model/tableStore';
import { readValue } from '../src/model/value';
import { feed, xy } from './feed';

describe('BoundedList', () => {
  it('forgets the oldest by count and by size', () => {
    const list = new BoundedList<number>(5_000, 20_000);
    for (let i = 0; i < 30_000; i++) {
      list.push(i, i < 20_000 ? 1 : 10);
    }
    expect(list.length).toBe(2_000);
    expect(list.at(0)).toBe(28_000);
    expect(list.last).toBe(29_999);
    expect(list.forgotten).toBe(28_000);
  });

  it('keeps one item that is too large alone', () => {
    const list = new BoundedList<string>(10, 10);
    list.push('a', 1);
    list.push('large', 100);
    expect([...list]).toEqual(['large']);
  });
});

describe('LogStore', () => {
  const lines = (...data: (string | object)[]): string[] => {
    const store = new LogStore(100, 10_000);
    feed(store, ...data);
    return [...store.lines].map(line => `${line.level}|${line.text}`);
  };

  it('makes a row of each line of text', () => {
    expect(lines('a\nb')).toEqual(['|a', '|b']);
  });

  it('shows a record with its text first', () => {
    expect(lines({ user: 'x', msg: 'hello', level: 'INFO', n: 1 })).toEqual([
      'INFO|hello  user=x  n=1'
    ]);
  });

  it('takes in what is nested too deeply to be written', () => {
    const depth = 100_000;
    const deep = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(lines(deep)).toEqual(['|a=…']);
  });

  it('cuts what no row can hold', () => {
    const [line] = lines('x'.repeat(10_000));
    expect(line.length).toBe(4_098);
  });
});

describe('TableStore', () => {
  it('has a column for each field that ever came', () => {
    const store = new TableStore(10, 1_000);
    feed(store, { a: 1 }, { b: { c: 2 } }, '"x"');
    expect(store.columns).toEqual(['a', 'b.c', 'value']);
    expect([...store.rows].map(row => row.cells)).toEqual([
      { a: 1 },
      { 'b.c': 2 },
      { value: 'x' }
    ]);
  });

  it('replaces its rows by a list of objects', () => {
    const store = new TableStore(10, 1_000);
    feed(store, '[{"pid":1},{"pid":2}]', '[{"pid":3}]');
    expect([...store.rows].map(row => row.cells)).toEqual([{ pid: 3 }]);
  });

  it('takes no field for one that every object has', () => {
    const store = new TableStore(10, 1_000);
    feed(store, { constructor: 1, a: { __proto__: 2 } }, { b: 2 });
    const [first, second] = store.rows;
    expect(cellOf(first, 'constructor')).toBe(1);
    expect(cellOf(second, 'constructor')).toBeUndefined();
  });

  it('stops at 200 columns', () => {
    const store = new TableStore(1_000, 1_000_000);
    for (let i = 0; i < 300; i++) {
      feed(store, { [`c${i}`]: i });
    }
    expect(store.columns.length).toBe(200);
  });
});

describe('readProgress', () => {
  it.each([
    ['{"n":3,"total":10}', 0.3, 3, 10],
    ['{"progress":0.25}', 0.25, null, null],
    ['{"percent":25}', 0.25, null, null],
    ['{"n":3}', null, 3, null],
    ['{"n":12,"total":10}', 1, 12, 10]
  ])('reads %s', (data, share, done, total) => {
    expect(readProgress(readValue(data))).toMatchObject({ share, done, total });
  });

  it('is null for what tells none', () => {
    expect(readProgress(readValue('{"a":1}'))).toBeNull();
    expect(readProgress(readValue('text'))).toBeNull();
  });
});

describe('readSnapshot', () => {
  it('reads the series of a plot', () => {
    const snapshot = readSnapshot({
      kind: 'plot',
      x: { name: 'time', is_time: true },
      series: [{ name: 'a', x: [1, 2], y: [3, null] }]
    });
    expect(snapshot).toMatchObject({ kind: 'plot', isTime: true });
    expect(snapshot?.kind === 'plot' && xy(snapshot.series[0].points)).toEqual([
      [1, 2],
      [3, NaN]
    ]);
  });

  it.each([
    [null],
    ['text'],
    [{ kind: 'script' }],
    [{ kind: 'progress', n: 'x' }]
  ])('shows nothing for %j', data => {
    expect(readSnapshot(data)).toBeNull();
  });

  it('cuts what no saved table or log can hold', () => {
    const long = 'x'.repeat(1_000_000);
    const many = Array<string>(5_000).fill(long);
    const table = readSnapshot({ kind: 'table', columns: many, rows: [many] });
    expect(table?.kind === 'table' && table.columns.length).toBe(50);
    expect(table?.kind === 'table' && table.rows[0].length).toBe(50);
    expect(JSON.stringify(table).length).toBeLessThan(25_000);
    const log = readSnapshot({ kind: 'log', lines: many });
    expect(JSON.stringify(log).length).toBeLessThan(4_200_000);
  });

  it('leaves out what has the wrong shape', () => {
    expect(
      readSnapshot({ kind: 'plot', series: [{ name: 1 }, 'x', null] })
    ).toEqual({ kind: 'plot', isTime: false, series: [] });
  });
});
