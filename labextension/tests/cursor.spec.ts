import { describe, expect, it } from 'vitest';

import { Overlap } from '../src/connection/overlap';
import type { ICursor, IServerSentEvent } from '../src/tokens';

const EPOCH = 'aaaaaaaaaaa';
const cursor = (beyond: number, n: number | null): ICursor => ({
  position: `${EPOCH}-100-${n ?? 0}`,
  beyond,
  n
});
const event = (data: unknown): IServerSentEvent => ({
  type: 'message',
  data: JSON.stringify(data),
  id: null
});
const gap = (
  reason: string,
  count: number | null,
  to: number | null
): IServerSentEvent => ({
  type: 'sse.gap',
  id: null,
  data: JSON.stringify({
    stream: 'a',
    reason,
    resumed: null,
    lost: { from: null, to, count }
  })
});
const hole = gap('overflow', 5, null);

/** What is left of a replay: the data of events, gaps by their count, `?` where nothing can be told. */
function rest(overlap: Overlap, events: IServerSentEvent[]): unknown[] {
  return events.flatMap(one => {
    const kept = overlap.take(one);
    if (kept === null) {
      return [];
    }
    if (kept === 'unknown') {
      return ['?'];
    }
    const data = JSON.parse(kept.data) as { lost?: { count: number | null } };
    return [kept.type === 'sse.gap' ? `${data.lost!.count} lost` : data];
  });
}

describe('a replay that goes over what has been received', () => {
  it.each<[string, ICursor, IServerSentEvent[], unknown[]]>([
    ['nothing was received beyond the position', cursor(0, 4), [event(5)], [5]],
    [
      'some events were received beyond it',
      cursor(2, 4),
      [event(5), event(6), event(7)],
      [7]
    ],
    [
      'all that is missing had been received',
      cursor(3, 4),
      [gap('evicted', 2, 6), event(7), event(8)],
      [8]
    ],
    [
      'part of what is missing had been received',
      cursor(2, 4),
      [gap('evicted', 5, 9), event(10)],
      ['3 lost', 10]
    ],
    [
      'the gap was told before, and has grown since',
      cursor(0, 9),
      [gap('evicted', 7, 11), event(12)],
      ['2 lost', 12]
    ],
    [
      'the gap was told before',
      cursor(0, 9),
      [gap('evicted', 5, 9), event(10)],
      [10]
    ],
    [
      'the server has another life',
      cursor(2, 4),
      [gap('epoch', null, null), event(1)],
      ['null lost', 1]
    ],
    [
      'a producer lost something amid it',
      cursor(2, 4),
      [event(5), hole, event(6), hole, event(7)],
      ['5 lost', 7]
    ],
    [
      'it is not known what is missing',
      cursor(2, null),
      [gap('evicted', 5, 9), event(10)],
      ['?', 10]
    ]
  ])('where %s', (_, from, events, expected) => {
    const overlap = new Overlap(from);
    const kept: unknown[] = [];
    for (const one of events) {
      const [first] = rest(overlap, [one]);
      kept.push(...(first === undefined ? [] : [first]));
      if (first === '?') {
        // The reader begins anew.
        kept.push(
          ...events.slice(events.indexOf(one) + 1).map(({ data }) => +data)
        );
        break;
      }
    }
    expect(kept).toEqual(expected);
  });
});
