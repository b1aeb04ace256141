import { describe, expect, it, vi } from 'vitest';

import { MiniHub } from './miniHub';
import {
  fastClock,
  TestBrowser,
  type TestSink,
  type TestTab,
  type Way
} from './sharedTabs';

const STREAMS = ['a', 'b', 'c'];
const STEPS = 120;
/** Text of a size that counts, now and then. */
const LARGE = 'x'.repeat(300 * 1024);
/** One run of each; SSE_SEEDS names others. */
const SEEDS = (process.env.SSE_SEEDS ?? '1,2,3,4,5').split(',').map(Number);

/** Repeatable chance (mulberry32). */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface IReading {
  readonly tab: TestTab;
  readonly stream: string;
  readonly sink: TestSink;
}

/** A browser's day: tabs come, go, crash, compute and hide while events come and the network breaks. */
class World {
  constructor(
    readonly hub: MiniHub,
    readonly browser: TestBrowser,
    seed: number
  ) {
    this._random = chance(seed);
  }

  readings: IReading[] = [];
  readonly counts = new Map<string, number>();

  step(): void {
    const acts: [number, () => void][] = [
      [8, () => this._append()],
      [2, () => this._open()],
      [1, () => this._close(tab => tab.close())],
      [1, () => this._close(tab => tab.die())],
      [1, () => this.hub.cut()],
      [2, () => this._someTab(tab => (tab.isStuck = true))],
      [2, () => this._someTab(tab => tab.goOn())],
      [1, () => this._someTab(tab => tab.connection.show(false))],
      [1, () => this._someTab(tab => tab.connection.show(true))],
      [1, () => this._leave()]
    ];
    let at = this._random() * acts.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of acts) {
      at -= weight;
      if (at < 0) {
        act();
        return;
      }
    }
  }

  /** Let everybody catch up, with one more event of each stream. */
  finish(): void {
    this._tabs.forEach(tab => {
      tab.goOn();
      tab.connection.show(true);
    });
    STREAMS.forEach(stream => this._publish(stream, 1, ''));
  }

  private _append(): void {
    const text = this._random() < 0.15 ? LARGE : '';
    this._publish(this._pick(STREAMS), 1 + this._below(15), text);
  }

  private _publish(stream: string, count: number, text: string): void {
    for (let i = 0; i < count; i++) {
      const n = (this.counts.get(stream) ?? 0) + 1;
      this.counts.set(stream, n);
      this.hub.append(stream, { n, text });
    }
  }

  private _open(): void {
    if (this._tabs.length < 6) {
      const tab = this.browser.open();
      const wanted = STREAMS.filter(() => this._random() < 0.6);
      for (const stream of wanted.length > 0 ? wanted : ['a']) {
        this.readings.push({ tab, stream, sink: tab.read(stream) });
      }
    }
  }

  private _close(how: (tab: TestTab) => void): void {
    this._someTab(tab => {
      this.readings = this.readings.filter(one => one.tab !== tab);
      how(tab);
    });
  }

  private _leave(): void {
    const tab = this._pick(this._tabs);
    const own = this.readings.filter(one => one.tab === tab);
    if (own.length > 1) {
      tab.connection.remove(own[0].stream);
      this.readings = this.readings.filter(one => one !== own[0]);
    }
  }

  private _someTab(act: (tab: TestTab) => void): void {
    const tab = this._pick(this._tabs);
    if (tab !== undefined) {
      act(tab);
    }
  }

  private get _tabs(): TestTab[] {
    return [...new Set(this.readings.map(({ tab }) => tab))];
  }

  private _pick<T>(items: readonly T[]): T {
    return items[this._below(items.length)];
  }

  private _below(bound: number): number {
    return Math.floor(this._random() * bound);
  }

  private readonly _random: () => number;
}

/** What does not follow: an event that is missing without a word, that came twice or out of order. */
function breaks(sink: TestSink): string[] {
  const found: string[] = [];
  let last: number | null = null;
  let lost = 0;
  for (const entry of sink.story) {
    if (typeof entry === 'string') {
      lost += Number(entry);
    } else {
      const { n } = entry as { n: number };
      if (last !== null && n !== last + lost + 1) {
        found.push(`${n} after ${last} and ${lost} lost`);
      }
      last = n;
      lost = 0;
    }
  }
  return found;
}

describe.each<Way>(['worker', 'leader', 'own'])('over the way %s', way => {
  it.each(SEEDS)(
    'what each tab received and was told to have lost is what was published, seed %i',
    async seed => {
      const hub = await MiniHub.start();
      hub.history = 60;
      const clock = fastClock(10);
      const browser = new TestBrowser(hub.baseUrl, way, { clock });
      const world = new World(hub, browser, seed);
      for (let i = 0; i < STEPS; i++) {
        world.step();
        await new Promise(resolve => setTimeout(resolve, i % 7));
      }
      world.finish();
      for (const { tab, stream, sink } of world.readings) {
        const count = world.counts.get(stream);
        const what = `${tab.id} reads ${stream}`;
        await vi.waitFor(
          () => expect(sink.newest, what).toMatchObject({ n: count }),
          { interval: 5, timeout: 15_000 }
        );
        expect(breaks(sink), what).toEqual([]);
      }
      if (way !== 'own' && world.readings.length > 0) {
        await vi.waitFor(
          () => expect([hub.connections, hub.singles]).toEqual([1, 0]),
          { interval: 5, timeout: 15_000 }
        );
      }
      browser.end();
      await hub.stop();
    },
    60_000
  );
});
