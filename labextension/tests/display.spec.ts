import { describe, expect, it } from 'vitest';

import { readDisplay } from '../src/views/display';
import { readRemembered } from '../src/views/memory';
import { splitAnsi } from '../src/views/ansi';

const BUNDLE = {
  version: 1,
  stream: 'lab/loss',
  run: 3,
  origin: 'cell 2',
  view: { kind: 'plot', x: null, y: ['a', 'b'], window: '60s' },
  saved_at: 1_700_000_000_000,
  snapshot: null
};

describe('readDisplay', () => {
  it('reads what the kernel writes', () => {
    expect(readDisplay(BUNDLE)).toEqual({
      stream: 'lab/loss',
      run: 3,
      origin: 'cell 2',
      view: { kind: 'plot', x: null, y: ['a', 'b'], window: '60s' },
      savedAt: 1_700_000_000_000,
      snapshot: null
    });
  });

  it('leaves to the rules what is not said', () => {
    expect(readDisplay({ version: 1, stream: 'a' })).toMatchObject({
      run: null,
      view: { kind: null, x: null, y: null, window: null },
      savedAt: null
    });
  });

  it.each([
    [null, /not a view/],
    [{ ...BUNDLE, version: 2 }, /newer jupyter_sse: expected version 1, got 2/],
    [{ ...BUNDLE, stream: '../../api/contents' }, /segments/],
    [{ ...BUNDLE, stream: 'https://elsewhere' }, /segments/],
    [{ ...BUNDLE, stream: 'a?token=x' }, /segments/],
    [{ ...BUNDLE, stream: 7 }, /has a name/],
    [{ ...BUNDLE, stream: 'x'.repeat(201) }, /at most 200/]
  ])('refuses %j', (data, why) => {
    expect(readDisplay(data)).toMatch(why);
  });
});

describe('readRemembered', () => {
  it('takes what has the right shape', () => {
    expect(
      readRemembered({ kind: 'log', hidden: ['a', 7], height: '9', x: null })
    ).toEqual({
      kind: 'log',
      hidden: ['a'],
      height: undefined,
      window: undefined,
      x: undefined
    });
    expect(readRemembered('nothing')).toEqual({});
  });
});

describe('splitAnsi', () => {
  const spans = (text: string): string[] =>
    splitAnsi(text).map(span => `${span.className}|${span.text}`);

  it('turns colour codes into classes', () => {
    expect(spans('a \x1b[31mred\x1b[0m \x1b[1;94mb\x1b[22mc\x1b[39md')).toEqual(
      [
        '|a ',
        'ansi-red-fg|red',
        '| ',
        'ansi-bold ansi-blue-intense-fg|b',
        'ansi-blue-intense-fg|c',
        '|d'
      ]
    );
  });

  it('drops what is no colour, and skips colours that have no class', () => {
    expect(spans('\x1b[2Ka\x1b[38;5;200mb\x1b[38;2;1;2;3mc')).toEqual([
      '|a',
      '|b',
      '|c'
    ]);
  });

  it('leaves markup what it is: text', () => {
    expect(spans('<b>x</b>')).toEqual(['|<b>x</b>']);
  });
});
