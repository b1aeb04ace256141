import { describe, expect, it } from 'vitest';

import { chooseAxis, parseTime, xOf } from '../src/model/axis';

const AT = Date.UTC(2026, 10, 22, 14, 3, 22);

describe('chooseAxis', () => {
  it.each([
    [
      { x: 1, step: 2, time: AT },
      { kind: 'number', key: 'x' }
    ],
    [
      { epoch: 1, step: 2 },
      { kind: 'number', key: 'step' }
    ],
    [
      { step: 2, time: AT },
      { kind: 'number', key: 'step' }
    ],
    [
      { loss: 1, ts: AT },
      { kind: 'time', key: 'ts', isLocal: false }
    ],
    [
      { loss: 1, time: '2026-11-22T14:03:22Z' },
      { kind: 'time', key: 'time', isLocal: false }
    ],
    [
      { loss: 1, time: '2026-11-22 14:03:22' },
      { kind: 'time', key: 'time', isLocal: true }
    ],
    [
      { loss: 1, t: 0.25 },
      { kind: 'number', key: 't' }
    ],
    [{ loss: 1, date: 'tomorrow' }, { kind: 'append' }],
    [{ loss: 1 }, { kind: 'append' }]
  ])('of %j chooses %j', (fields, axis) => {
    expect(chooseAxis(fields, null)).toEqual(axis);
  });

  it('takes the field that the user names', () => {
    expect(chooseAxis({ step: 1, kwh: 2 }, 'kwh')).toEqual({
      kind: 'number',
      key: 'kwh'
    });
    expect(chooseAxis({ step: 1 }, '@time')).toEqual({ kind: 'append' });
    expect(chooseAxis({ step: 1 }, '@n')).toEqual({ kind: 'ordinal' });
  });

  it('falls back to the append time when the named field is no number', () => {
    expect(chooseAxis({ a: 'x' }, 'a')).toEqual({ kind: 'append' });
  });
});

describe('parseTime', () => {
  it.each([
    [AT / 1000, AT],
    [AT, AT],
    [AT * 1e3, AT],
    [AT * 1e6, AT],
    ['2026-11-22T14:03:22Z', AT],
    ['2026-11-22T15:03:22+01:00', AT],
    ['2026-11-22 14:03:22.500Z', AT + 500],
    [12, null],
    [1e5, null],
    ['14:03', null],
    ['2026', null],
    [true, null]
  ])('reads %j as %j', (value, ms) => {
    const read = parseTime(value);
    expect(read === null ? null : Math.round(read)).toBe(ms);
  });

  it('reads a time without a zone as local', () => {
    expect(parseTime('2026-11-22T14:03:22')).toBe(
      new Date(2026, 10, 22, 14, 3, 22).getTime()
    );
    expect(parseTime('2026-11-22')).toBe(new Date(2026, 10, 22).getTime());
  });
});

describe('xOf', () => {
  it('gives what each axis counts', () => {
    expect(xOf({ kind: 'append' }, {}, AT, 7)).toBe(AT);
    expect(xOf({ kind: 'ordinal' }, {}, AT, 7)).toBe(7);
    expect(xOf({ kind: 'number', key: 'step' }, { step: 3 }, AT, 7)).toBe(3);
    expect(xOf({ kind: 'number', key: 'step' }, {}, AT, 7)).toBeNull();
  });
});
