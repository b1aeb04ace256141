import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { Parser } from '../src/connection/parser';

interface IVector {
  name: string;
  bytes_hex: string;
  events: { type: string; data: string; lastEventId: string }[];
  retry: number | null;
}

const vectors = JSON.parse(
  readFileSync(
    new URL('../../tests/vectors/wire.json', import.meta.url),
    'utf8'
  )
) as IVector[];

function parse(chunks: Uint8Array[]): Pick<IVector, 'events' | 'retry'> {
  const events: IVector['events'] = [];
  let lastEventId = '';
  let retry: number | null = null;
  const parser = new Parser({
    onEvent: ({ type, data }) => events.push({ type, data, lastEventId }),
    onId: id => {
      lastEventId = id;
    },
    onRetry: retryMs => {
      retry = retryMs;
    }
  });
  chunks.forEach(chunk => parser.feed(chunk));
  return { events, retry };
}

/** The whole, every split in two, and equal pieces of 1 to 7 bytes. */
function* chunkings(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes];
  for (let cut = 1; cut < bytes.length; cut++) {
    yield [bytes.subarray(0, cut), bytes.subarray(cut)];
  }
  for (let size = 1; size <= 7; size++) {
    const pieces: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; start += size) {
      pieces.push(bytes.subarray(start, start + size));
    }
    yield pieces;
  }
}

describe('Parser', () => {
  it.each(vectors)('reads $name the same in all chunkings', vector => {
    const bytes = new Uint8Array(Buffer.from(vector.bytes_hex, 'hex'));
    const expected = { events: vector.events, retry: vector.retry };
    for (const chunks of chunkings(bytes)) {
      expect(parse(chunks)).toEqual(expected);
    }
  });

  it('tells the id of a block that has no data', () => {
    const seen: string[] = [];
    const parser = new Parser({
      onEvent: event => seen.push(`event ${event.data}`),
      onId: id => seen.push(`id ${id}`),
      onRetry: () => undefined
    });
    parser.feed(new TextEncoder().encode('id: 7\n\ndata: a\n\n'));
    expect(seen).toEqual(['id 7', 'event a']);
  });

  it('refuses an event that never ends instead of keeping it', () => {
    const parser = new Parser({
      onEvent: () => undefined,
      onId: () => undefined,
      onRetry: () => undefined
    });
    const megabyte = new TextEncoder().encode('x'.repeat(1 << 20));
    parser.feed(new TextEncoder().encode('data: '));
    expect(() => {
      for (let i = 0; i < 64; i++) {
        parser.feed(megabyte);
      }
    }).toThrow(/more than 32 Mi characters/);
  });
});
