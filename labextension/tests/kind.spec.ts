import { describe, expect, it } from 'vitest';

import { KindChooser } from '../src/model/chooser';
import { suggestKind } from '../src/model/kind';
import { readValue } from '../src/model/value';

const BASE64 = 'iVBORw0KGgo=';
const list = (length: number): string =>
  JSON.stringify(Array.from({ length }, (_, i) => i));
const numbers = (count: number): string =>
  JSON.stringify(
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, i]))
  );
const lists = (count: number, length: number): string =>
  JSON.stringify(
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`v${i}`, Array(length).fill(i)])
    )
  );

/** The table of rules: data, and the view that the first event of a run gets. */
const RULES: [rule: number, data: string, kind: string][] = [
  [1, '{"n": 3, "total": 10}', 'progress'],
  [1, '{"current": 3, "total": 10, "desc": "x"}', 'progress'],
  [1, '{"done": 3, "total": 10}', 'progress'],
  [1, '{"progress": 0.4}', 'progress'],
  [1, '{"percent": 40, "message": "half"}', 'progress'],
  [1, '{"progress": 0.4, "loss": 1}', 'plot'],
  [1, '{"progress": 40}', 'plot'],
  [1, '{"n": 3, "loss": 1}', 'plot'],
  [2, `{"image/png": "${BASE64}"}`, 'image'],
  [2, `{"image/webp": "${BASE64}", "step": 3}`, 'image'],
  [2, `data:image/png;base64,${BASE64}`, 'image'],
  [2, `"data:image/jpeg;base64,${BASE64}"`, 'image'],
  [2, 'data:image/svg+xml,<svg/>', 'log'],
  [2, '{"image/svg+xml": "<svg/>", "a": 1, "b": 2}', 'plot'],
  [3, '[[1, 2], [3, 4]]', 'heatmap'],
  [3, '[[1, 2]]', 'raw'],
  [3, '[[1, 2], [3]]', 'raw'],
  [3, '[[[1, 2, 3], [4, 5, 6]]]', 'image'],
  [3, '[[[1, 2, 3, 4]], [[4, 5, 6, 7]]]', 'image'],
  [4, '[0.1, 0.7]', 'plot'],
  [4, list(16), 'plot'],
  [4, list(17), 'heatmap'],
  [4, list(4096), 'heatmap'],
  [4, list(4097), 'histogram'],
  [4, '[]', 'raw'],
  [4, '["a", "b"]', 'raw'],
  [5, '[{"pid": 1, "cpu": 3}, {"pid": 2, "cpu": 4}]', 'table'],
  [6, 'epoch 3 done', 'log'],
  [6, '{not json', 'log'],
  [6, '', 'log'],
  [6, '{"level": "INFO", "msg": "started"}', 'log'],
  [6, '{"level": 20, "lineno": 7, "message": "x", "time": 1700000000}', 'log'],
  [6, '{"msg": "x", "loss": 0.3}', 'plot'],
  [7, '0.31', 'value'],
  [8, 'true', 'value'],
  [8, 'null', 'value'],
  [8, '"ok"', 'value'],
  [8, `"${'x'.repeat(24)}"`, 'value'],
  [8, `"${'x'.repeat(25)}"`, 'raw'],
  [9, '{"sensor": "a", "temp": 21.3}', 'plot'],
  [9, '{"host": "a", "symbol": "b", "v": 1}', 'plot'],
  [9, '{"host": "a", "name": "b", "tag": "c", "v": 1}', 'table'],
  [10, '{"loss": 0.3, "step": 7}', 'plot'],
  [10, '{"loss": 0.3, "phase": "train", "note": "x"}', 'plot'],
  [10, '{"loss": 0.3, "a": "x", "b": "y", "c": "z"}', 'table'],
  [10, '{"train": {"loss": 0.3}}', 'plot'],
  [10, numbers(40), 'plot'],
  [10, numbers(41), 'table'],
  [10, '{"loss": 0.3, "hidden": [1, 2]}', 'plot'],
  [11, '{"a": [1, 2]}', 'plot'],
  [11, '{"t": [0, 0.1], "voltage": [1.5, null], "current": [2, 3]}', 'plot'],
  [11, '{"time": ["2026-11-22T14:03:22Z", null], "a": [1, 2]}', 'plot'],
  [11, '{"train": {"step": [1, 2], "loss": [3, 4]}, "epoch": 3}', 'plot'],
  [11, '{"a": [1, 2], "ok": true, "unit": "V", "note": null}', 'plot'],
  [11, '{"channel": "left", "a": [1, 2], "unit": "V"}', 'plot'],
  [11, lists(40, 2), 'plot'],
  [11, lists(41, 2), 'raw'],
  [11, '{"a": [1, 2], "b": "x", "c": "y", "d": "z"}', 'raw'],
  [11, '{"a": [1, 2], "b": [1, 2, 3]}', 'raw'],
  [11, '{"t": [0, 1, 2], "a": [1, 2]}', 'raw'],
  [11, '{"a": [1]}', 'raw'],
  [11, '{"a": []}', 'raw'],
  [11, '{"a": [null, null]}', 'raw'],
  [11, '{"a": [true, false]}', 'raw'],
  [11, '{"a": [1, "x"]}', 'raw'],
  [11, '{"a": [1, 2], "b": ["x", "y"]}', 'raw'],
  [11, '{"a": [1, 2], "b": [{}, {}]}', 'raw'],
  [11, '{"t": [0, 1], "step": [1, 2]}', 'raw'],
  [11, '{"msg": "boxes", "box": [1, 2, 3, 4]}', 'log'],
  [12, '{"step": 7}', 'table'],
  [12, '{"order": "A-1", "state": "paid", "city": "Bern"}', 'table'],
  [12, '{"ok": true}', 'table'],
  [13, '{}', 'raw'],
  [13, '{"a": {"b": {"c": 1}}}', 'raw']
];

describe('suggestKind', () => {
  it.each(RULES)('by rule %i shows %s as %s', (_, data, kind) => {
    const value = readValue(data);
    const json = value.kind === 'json' ? value.value : null;
    expect(
      suggestKind(value, {
        events: 1,
        listLength: Array.isArray(json) ? json.length : null,
        hasOnlyNewNames: false
      })
    ).toBe(kind);
  });

  it('takes numbers as text for text, booleans for no numbers', () => {
    const context = { events: 1, listLength: null, hasOnlyNewNames: false };
    expect(suggestKind(readValue('{"a": "1.5"}'), context)).toBe('table');
    expect(suggestKind(readValue('{"a": true, "b": false}'), context)).toBe(
      'table'
    );
  });
});

describe('KindChooser', () => {
  function choose(...data: string[]): KindChooser {
    const chooser = new KindChooser();
    data.forEach((one, i) => chooser.see(readValue(one), 100 * i));
    return chooser;
  }

  it('shows a lone number as a value, a second one as a plot', () => {
    expect(choose('1').kind).toBe('value');
    expect(choose('1', '2').kind).toBe('plot');
  });

  it('decides at the first event and revises while the run is young', () => {
    const first = '{"phase": "start", "host": "x", "user": "y"}';
    expect(choose(first).kind).toBe('table');
    expect(choose(first, '{"loss": 1}').kind).toBe('plot');
  });

  it('shows lists of one length as a heat map, of several as a histogram', () => {
    expect(choose(list(20), list(20)).kind).toBe('heatmap');
    expect(choose(list(20), list(21), list(22)).kind).toBe('histogram');
  });

  it('does not let a null change the kind', () => {
    expect(choose('{"loss": 1, "lr": 2}', '{"loss": null, "lr": 2}').kind).toBe(
      'plot'
    );
  });

  it('takes ids that never come again for a table, names that do for series', () => {
    const orders = Array.from(
      { length: 12 },
      (_, i) => `{"id":"A${i}","sum":1}`
    );
    expect(choose(...orders).kind).toBe('table');
    const rooms = Array.from(
      { length: 12 },
      (_, i) => `{"id":"room ${i % 4}","temp":1}`
    );
    expect(choose(...rooms).kind).toBe('plot');
    const shots = Array.from(
      { length: 12 },
      (_, i) => `{"id":"A${i}","v":[1,2]}`
    );
    expect(choose(...shots).kind).toBe('table');
  });

  it('never changes by itself later, but hints', () => {
    const chooser = new KindChooser();
    for (let i = 0; i < 30; i++) {
      chooser.see(readValue('{"loss": 1}'), i * 1000);
    }
    expect(chooser.hint).toBeNull();
    for (let i = 30; i < 80; i++) {
      chooser.see(readValue('a line'), i * 1000);
    }
    expect(chooser.kind).toBe('plot');
    expect(chooser.hint).toBe('log');
  });
});
