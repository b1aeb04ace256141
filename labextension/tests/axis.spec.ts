import { describe, expect, it } from 'vitest';

import { chooseAxis, fillXs, parseTime, xOf } from '../src/model/axis';

const AT = Date.UTC(2026, 10, 22, 14, 3, 22);
const PLACE = { at: AT, ordinal: 7, lastPoint: 21 };

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
    expect(chooseAxis({ step: 1 }, '@point')).toEqual({ kind: 'point' });
  });

  it.each([
    [{ t: [0.1, 0.2], step: [1, 2] }, null, { kind: 'number', key: 'step' }],
    [{ t: [0.1, 0.2], step: 1 }, null, { kind: 'number', key: 't' }],
    [{ ts: [AT, AT] }, null, { kind: 'time', key: 'ts', isLocal: false }],
    [
      { time: [null, '2026-11-22 14:03:22'] },
      null,
      { kind: 'time', key: 'time', isLocal: true }
    ],
    [{ v: [1, 2] }, null, { kind: 'point' }],
    [{ v: [1, 2], step: 3 }, null, { kind: 'point' }],
    [{ v: [1, 2], k: [1, 2] }, 'k', { kind: 'number', key: 'k' }],
    [{ v: [1, 2], k: 1 }, 'k', { kind: 'point' }],
    [{ v: [1, 2] }, '@time', { kind: 'append' }],
    [{ v: [1, 2] }, '@n', { kind: 'ordinal' }]
  ])('of the block %j, where %s is wanted, chooses %j', (...given) => {
    const [fields, wanted, axis] = given;
    expect(chooseAxis(fields, wanted, true)).toEqual(axis);
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
    expect(xOf({ kind: 'append' }, {}, PLACE)).toBe(AT);
    expect(xOf({ kind: 'ordinal' }, {}, PLACE)).toBe(7);
    expect(xOf({ kind: 'point' }, {}, PLACE)).toBe(21);
    expect(xOf({ kind: 'number', key: 'step' }, { step: 3 }, PLACE)).toBe(3);
    expect(xOf({ kind: 'number', key: 'step' }, {}, PLACE)).toBeNull();
  });
});

describe('fillXs', () => {
  const STEP = { kind: 'number', key: 'step' } as const;
  const TIME = { kind: 'time', key: 'time', isLocal: false } as const;

  it.each([
    [{ kind: 'point' } as const, {}, [19, 20, 21]],
    [{ kind: 'append' } as const, {}, [AT, AT, AT]],
    [{ kind: 'ordinal' } as const, {}, [7, 7, 7]],
    [STEP, { step: [4, 5, 6] }, [4, 5, 6]],
    [STEP, { step: [null, 5, 'x'] }, [3, 5, 5]],
    [STEP, { step: 9 }, [9, 9, 9]],
    [STEP, {}, [3, 3, 3]],
    [TIME, { time: [AT / 1000, AT / 1000 + 1, null] }, [AT, AT + 1e3, AT + 1e3]]
  ])('of %j and %j gives %j', (axis, fields, expected) => {
    const xs = new Float64Array(3);
    fillXs(axis, fields, PLACE, 3, xs);
    expect([...xs]).toEqual(expected);
  });
});
