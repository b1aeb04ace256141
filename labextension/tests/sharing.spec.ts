import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { MiniHub } from './miniHub';
import { TestBrowser, type TestSink, type Way } from './sharedTabs';

const eventually = (look: () => void): Promise<void> =>
  vi.waitFor(look, { interval: 2, timeout: 15_000 });

const upTo = (n: number, from = 1): number[] =>
  Array.from({ length: n - from + 1 }, (_, i) => from + i);

describe.each<Way>(['worker', 'leader', 'own'])('tabs over the way %s', way => {
  let hub: MiniHub;
  let browser: TestBrowser;
  const isShared = way !== 'own';

  beforeEach(async () => {
    hub = await MiniHub.start();
    browser = new TestBrowser(hub.baseUrl, way);
  });

  afterEach(async () => {
    browser.end();
    await hub.stop();
  });

  const has = (sink: TestSink, values: number[]): Promise<void> =>
    eventually(() => expect(sink.values).toEqual(values));
  const settled = (...sinks: TestSink[]): Promise<void> =>
    eventually(() =>
      sinks.forEach(sink => expect(sink.controls).toContain('sse.ready'))
    );

  it('bring each tab every event once, over one connection where it is shared', async () => {
    hub.append('a', ...upTo(3));
    const sinks = [1, 2, 3].map(() => browser.open().read('a'));
    await settled(...sinks);
    hub.append('a', 4, 5);
    for (const sink of sinks) {
      await has(sink, upTo(5));
    }
    expect(hub.connections).toBe(isShared ? 1 : 3);
    expect(hub.singles).toBe(0);
  });

  it('bring a tab that comes later the history, and disturb no other', async () => {
    hub.append('a', ...upTo(50));
    const first = browser.open().read('a');
    await settled(first);
    hub.append('a', 51);
    await has(first, upTo(51));
    const late = browser.open().read('a');
    await has(late, upTo(51));
    hub.append('a', 52);
    await has(late, upTo(52));
    await has(first, upTo(52));
    expect(first.resets).toBe(0);
    expect(first.controls.filter(type => type === 'sse.ready')).toHaveLength(1);
    await eventually(() => expect(hub.singles).toBe(0));
    expect(hub.connections).toBe(isShared ? 1 : 2);
  });

  it('bring tabs that come amid a fast stream each event once', async () => {
    const sinks: TestSink[] = [];
    for (let n = 1; n <= 300; n++) {
      hub.append('a', n);
      if (n % 60 === 1) {
        sinks.push(browser.open().read('a'));
      }
      await new Promise(resolve => setImmediate(resolve));
    }
    for (const sink of sinks) {
      await has(sink, upTo(300));
      expect(sink.resets).toBe(0);
    }
  });

  it('go on when the tab that came first is closed', async () => {
    const [first, second] = [browser.open(), browser.open()];
    first.read('a');
    const sink = second.read('a');
    hub.append('a', 1, 2);
    await has(sink, [1, 2]);
    first.close();
    hub.append('a', 3);
    await has(sink, [1, 2, 3]);
    expect(sink.lost).toBe(0);
    await eventually(() => expect(hub.connections).toBe(1));
  });

  it('go on when tabs crash one after the other, and forget what those read', async () => {
    const tabs = [1, 2, 3, 4].map(() => browser.open());
    const sinks = tabs.map(tab => tab.read('common'));
    tabs.forEach((tab, i) => tab.read(`own-${i}`));
    let n = 0;
    for (const tab of tabs.slice(0, 3)) {
      hub.append('common', ++n, ++n);
      await has(sinks[3], upTo(n));
      tab.die();
      hub.append('common', ++n);
      await has(sinks[3], upTo(n));
    }
    await eventually(() => expect(hub.reads).toEqual(['common', 'own-3']));
    expect(sinks[3].lost).toBe(0);
    expect(hub.connections).toBe(1);
  });

  it('close the connection when the last tab is gone', async () => {
    const tabs = [browser.open(), browser.open()];
    const sinks = tabs.map(tab => tab.read('a'));
    await settled(...sinks);
    tabs[0].close();
    tabs[1].die();
    await eventually(() => expect(hub.connections).toBe(0));
  });

  it('go on without loss when the network is back', async () => {
    hub.append('a', 1);
    hub.append('b', 1);
    const tabs = [browser.open(), browser.open()];
    const a = tabs.map(tab => tab.read('a'));
    const b = tabs[1].read('b');
    await settled(...a, b);
    hub.append('a', 2);
    hub.cut();
    hub.append('a', 3);
    hub.append('b', 2);
    for (const sink of a) {
      await has(sink, [1, 2, 3]);
    }
    await has(b, [1, 2]);
    expect([...a, b].map(sink => sink.resets)).toEqual([0, 0, 0]);
  });

  it('announce to every tab what a server that starts again has lost', async () => {
    hub.append('a', 1, 2);
    const sinks = [browser.open().read('a'), browser.open().read('a')];
    for (const sink of sinks) {
      await has(sink, [1, 2]);
    }
    hub.forget();
    hub.append('a', 1);
    for (const sink of sinks) {
      await has(sink, [1, 2, 1]);
      expect(sink.lost).toBe(null);
    }
  });

  it('read a stream no more when no tab does', async () => {
    const [one, other] = [browser.open(), browser.open()];
    one.read('a');
    one.read('b');
    other.read('a');
    const reads = isShared ? ['a', 'b'] : ['a', 'a', 'b'];
    await eventually(() => expect(hub.reads).toEqual(reads));
    one.connection.remove('a');
    one.connection.remove('b');
    await eventually(() => expect(hub.reads).toEqual(['a']));
  });

  it('say how they are connected', async () => {
    const tab = browser.open();
    await settled(tab.read('a'));
    const { holder, shared } = await tab.connection.inspect();
    expect(holder).toBe(
      { worker: 'worker', leader: 'this-tab', own: 'own' }[way]
    );
    expect(shared?.state.kind).toBe('open');
    expect(shared?.tabs).toMatchObject([
      { tab: tab.id, reads: [{ stream: 'a', place: 'joined' }] }
    ]);
  });
});
