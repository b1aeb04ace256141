import { readFile } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { CREDIT } from '../src/connection/sharing/member';
import {
  type ToHolder,
  type ToTab,
  VERSION
} from '../src/connection/sharing/message';
import { channelPort, type TabPort } from '../src/connection/sharing/port';
import { Switchboard } from '../src/connection/sharing/switchboard';
import { TabConnection } from '../src/connection/sharing/tabConnection';
import type { IWay } from '../src/connection/sharing/way';
import { MiniHub } from './miniHub';
import { fastClock, hastyClock, TestBrowser, TestSink } from './sharedTabs';

const eventually = (look: () => void): Promise<void> =>
  vi.waitFor(look, { interval: 2, timeout: 15_000 });

/** Text of a size that counts. */
const LARGE = 'x'.repeat(64 * 1024);

describe('the holder of a connection', () => {
  let hub: MiniHub;
  let browser: TestBrowser;

  beforeEach(async () => {
    hub = await MiniHub.start();
    browser = new TestBrowser(hub.baseUrl, 'worker');
  });

  afterEach(async () => {
    browser.end();
    await hub.stop();
  });

  const ready = (...sinks: TestSink[]): Promise<void> =>
    eventually(() =>
      sinks.forEach(sink => expect(sink.controls).toContain('sse.ready'))
    );
  const numbers = (sink: TestSink): unknown[] =>
    sink.values.map(value => (value as { n: number }).n);
  const upTo = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => i + 1);
  function append(count: number, from = 1): void {
    for (let n = from; n < from + count; n++) {
      hub.append('a', { n, LARGE });
    }
  }

  it('gives a tab that takes nothing no more than its credit, and the others everything', async () => {
    const [stuck, other] = [browser.open(), browser.open()];
    const [a, b] = [stuck.read('a'), other.read('a')];
    await ready(a, b);
    stuck.isStuck = true;
    const count = 200;
    append(count);
    await eventually(() => expect(numbers(b)).toEqual(upTo(count)));
    const { shared } = await other.connection.inspect();
    const { unacknowledged } = shared!.tabs.find(one => one.tab === stuck.id)!;
    expect(unacknowledged).toBeGreaterThan(CREDIT / 4);
    // One portion may go beyond it.
    expect(unacknowledged).toBeLessThan(CREDIT + 1.2 * 1024 * 1024);
    expect(a.values.length).toBeLessThan(count);
    stuck.goOn();
    await eventually(() => expect(numbers(a)).toEqual(upTo(count)));
    expect([a.lost, a.resets]).toEqual([0, 0]);
  });

  it('says what a tab has missed that took nothing for too long', async () => {
    hub.history = 10;
    const [stuck, other] = [browser.open(), browser.open()];
    const [a, b] = [stuck.read('a'), other.read('a')];
    await ready(a, b);
    stuck.isStuck = true;
    append(200);
    await eventually(() => expect(numbers(b)).toHaveLength(200));
    stuck.goOn();
    await eventually(() => expect(numbers(a).at(-1)).toBe(200));
    expect(a.lost).toBeGreaterThan(0);
    expect(a.values.length + a.lost!).toBe(200);
    append(1, 201);
    await eventually(() => expect(numbers(a).at(-1)).toBe(201));
  });

  it('lets a later tab join a run that is the connection’s alone, and reads it no second time', async () => {
    hub.visits.add('a');
    const a = browser.open().read('a');
    await ready(a);
    append(3);
    await eventually(() => expect(numbers(a)).toEqual([1, 2, 3]));
    const b = browser.open().read('a');
    await eventually(() => expect(b.controls).toContain('sse.run'));
    append(1, 4);
    await eventually(() => expect(numbers(a)).toEqual([1, 2, 3, 4]));
    await eventually(() => expect(numbers(b)).toEqual([4]));
    expect(b.lost).toBe(0);
    expect(hub.requests.filter(one => one.includes('/sse/a'))).toEqual([]);
  });

  it('says that something is lost of such a run to a tab that took nothing for too long', async () => {
    hub.visits.add('a');
    const [stuck, other] = [browser.open(), browser.open()];
    const [a, b] = [stuck.read('a'), other.read('a')];
    await ready(a, b);
    stuck.isStuck = true;
    append(200);
    await eventually(() => expect(numbers(b)).toHaveLength(200));
    stuck.goOn();
    await eventually(() => expect(a.lost).toBe(null));
    append(1, 201);
    await eventually(() => expect(numbers(a).at(-1)).toBe(201));
    expect(a.values.length).toBeLessThan(201);
    expect(hub.requests.filter(one => one.includes('/sse/a'))).toEqual([]);
  });

  it('reads again from the start for a tab that took too long for the first replay', async () => {
    append(200);
    const stuck = browser.open();
    stuck.isStuck = true;
    const a = stuck.read('a');
    const b = browser.open().read('a');
    await eventually(() => expect(numbers(b)).toEqual(upTo(200)));
    stuck.goOn();
    await eventually(() => expect(numbers(a)).toEqual(upTo(200)));
    expect(a.lost).toBe(0);
  });

  it('tells a hidden tab all that happens in few portions, and at once when it is seen', async () => {
    const [shown, hidden] = [browser.open(), browser.open()];
    const [a, b] = [shown.read('a'), hidden.read('a')];
    await ready(a, b);
    hidden.connection.show(false);
    await eventually(() =>
      expect(hidden.said.some(({ kind }) => kind === 'visible')).toBe(true)
    );
    const before = b.portions;
    for (let n = 1; n <= 40; n++) {
      hub.append('a', { n });
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    await eventually(() => expect(numbers(a)).toEqual(upTo(40)));
    hidden.connection.show(true);
    await eventually(() => expect(numbers(b)).toEqual(upTo(40)));
    expect(b.portions - before).toBeLessThan(a.portions / 3);
  });

  it('keeps those apart who are logged in as somebody else', async () => {
    const [ada, bob] = [browser.open(), browser.open({ user: 'bob' })];
    const token = browser.open({ token: 'secret' });
    await ready(ada.read('a'), bob.read('a'), token.read('a'));
    expect(hub.connections).toBe(3);
    const { shared } = await bob.connection.inspect();
    expect(shared!.tabs.map(({ tab }) => tab)).toEqual([bob.id]);
  });

  it('sends what the tabs tell of their login, and nothing of it in an address', async () => {
    const tab = browser.open({ token: 'secret', xsrf: 'cross' });
    await ready(tab.read('a'));
    tab.read('b');
    await eventually(() => expect(hub.reads).toEqual(['a', 'b']));
    for (const { headers, url } of hub.received) {
      expect(headers.authorization).toBe('token secret');
      expect(headers['x-xsrftoken']).toBe('cross');
      expect(url).not.toMatch(/secret|cross/);
    }
    expect(hub.received).toHaveLength(2);
  });

  it('tries a stream again that cannot be read alone for now', async () => {
    hub.append('a', { n: 1 });
    await ready(browser.open().read('a'));
    hub.refuseSingle = 429;
    const late = browser.open().read('a');
    await eventually(() => expect(hub.requests).toContain('GET /sse/a'));
    hub.refuseSingle = null;
    await eventually(() => expect(numbers(late)).toEqual([1]));
  });

  it('tells who comes late that there is no such stream, and brings it when there is', async () => {
    const first = browser.open().read('later');
    await eventually(() => expect(hub.connections).toBe(1));
    const second = browser.open().read('later');
    hub.append('later', { n: 1 });
    await eventually(() => expect(numbers(first)).toEqual([1]));
    await eventually(() => expect(numbers(second)).toEqual([1]));
  });
});

describe('the holder of a connection where there are no locks', () => {
  it('forgets a tab that is silent, and one that was only asleep says hello again', async () => {
    const hub = await MiniHub.start();
    const browser = new TestBrowser(hub.baseUrl, 'worker', {
      locks: null,
      clock: fastClock(100)
    });
    const [first, second] = [browser.open(), browser.open()];
    first.read('a');
    const sink = second.read('b');
    await eventually(() => expect(hub.reads).toEqual(['a', 'b']));
    first.die();
    // Silence counts from its last word; the second one calls now and then.
    await eventually(() => expect(hub.reads).toEqual(['b']));
    hub.append('b', 1);
    await eventually(() => expect(sink.values).toEqual([1]));
    browser.end();
    await hub.stop();
  });
});

describe('the version in the names of workers and locks', () => {
  it('is that of the package', async () => {
    const file = new URL('../package.json', import.meta.url);
    const { version } = JSON.parse(await readFile(file, 'utf8')) as {
      version: string;
    };
    expect(VERSION).toBe(version);
  });
});

describe('a tab', () => {
  /** A way that leads to whatever the test makes of it. */
  const wayTo = (name: string, answer: (port: TabPort) => void): IWay => ({
    name,
    take: events => {
      const { port1, port2 } = new MessageChannel();
      answer(channelPort<ToHolder, ToTab>(port2));
      events.found(channelPort(port1), 'worker');
      return () => port2.close();
    }
  });
  let hub: MiniHub;
  let browser: TestBrowser;

  beforeEach(async () => {
    hub = await MiniHub.start();
    browser = new TestBrowser(hub.baseUrl, 'own');
  });

  afterEach(async () => {
    browser.end();
    await hub.stop();
  });

  function tabWith(first: IWay): TabConnection {
    return new TabConnection({
      tab: 'tab',
      ways: [first, ...browser.waysOf('tab')],
      clock: hastyClock,
      locks: browser.locks.of('tab'),
      login: () => ({
        baseUrl: hub.baseUrl,
        token: '',
        user: '',
        xsrf: '',
        credentials: 'same-origin'
      })
    });
  }

  async function readsBy(connection: TabConnection): Promise<unknown[]> {
    const sink = new TestSink();
    connection.add('a', sink);
    hub.append('a', 1);
    await eventually(() => expect(sink.values).toEqual([1]));
    const { holder, left } = await connection.inspect();
    connection.dispose();
    return [holder, ...left];
  }

  it('takes the next way where a worker cannot be loaded', async () => {
    const broken: IWay = {
      name: 'worker',
      take: events => {
        events.failed('no script');
        return () => undefined;
      }
    };
    expect(await readsBy(tabWith(broken))).toEqual([
      'own',
      'worker: no script'
    ]);
  });

  it('takes the next way where nobody answers', async () => {
    const mute = wayTo('worker', () => undefined);
    expect(await readsBy(tabWith(mute))).toEqual([
      'own',
      'worker: nobody answered'
    ]);
  });

  it('has nothing to do with the worker of another version', async () => {
    const old = wayTo('worker', port =>
      port.listen(() =>
        port.post({ kind: 'refused', reason: 'it is older' } as never)
      )
    );
    expect(await readsBy(tabWith(old))).toEqual(['own', 'worker: it is older']);
  });

  it('looks for its holder anew when that falls silent, and goes on where it was', async () => {
    const holders: Switchboard[] = [];
    let isDeaf = false;
    const way: IWay = {
      name: 'worker',
      take: events => {
        const holder = new Switchboard({
          clock: hastyClock,
          locks: null,
          frameMs: 0
        });
        holders.push(holder);
        const { port1, port2 } = new MessageChannel();
        const port = channelPort<ToTab, ToHolder>(port2);
        const isFirst = holders.length === 1;
        holder.accept({
          close: () => port.close(),
          listen: hear => port.listen(hear),
          post: message => (isFirst && isDeaf ? undefined : port.post(message))
        });
        events.found(channelPort(port1), 'worker');
        return () => port1.close();
      }
    };
    const connection = tabWith(way);
    const sink = new TestSink();
    connection.add('a', sink);
    hub.append('a', 1, 2);
    await eventually(() => expect(sink.values).toEqual([1, 2]));
    isDeaf = true;
    hub.append('a', 3);
    await eventually(() => expect(sink.values).toEqual([1, 2, 3]));
    expect([sink.resets, sink.lost, holders.length]).toEqual([0, 0, 2]);
    connection.dispose();
    holders.forEach(holder => holder.dispose());
  });
});
