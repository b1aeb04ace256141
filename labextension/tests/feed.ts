import { pointsIn } from '../src/model/block';
import type { IEvent } from '../src/model/event';
import type { Points } from '../src/model/points';
import { type Value, readValue } from '../src/model/value';

/** What was fed so far: set to 0 where a run is to begin. */
export const fed = { ordinal: 0, lastPoint: 0 };

/** Append events with this data to a store, one a second. */
export function feed(
  store: { append(event: IEvent, value: Value): void },
  ...data: (string | object)[]
): void {
  for (const one of data) {
    const text = typeof one === 'string' ? one : JSON.stringify(one);
    const value = readValue(text);
    fed.ordinal++;
    fed.lastPoint += pointsIn(value);
    const event: IEvent = {
      ...fed,
      at: 1000 * fed.ordinal,
      type: 'message',
      id: null,
      data: text
    };
    store.append(event, value);
  }
}

export const xy = (points: Points): [number[], number[]] => [
  [...points.x],
  [...points.y]
];
