import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { StreamConnection } from '../src/connection/connection';
import type { IServerSentEvent, IStreamSink } from '../src/tokens';
import { EventServer, type Visit } from './eventServer';
import { ManualClock } from './manualClock';

/** Look every 2 ms; real sockets answer within a few. */
const eventually = (look: () => void): Promise<void> =>
  vi.waitFor(look, { interval: 2 });

class Sink implements IStreamSink {
  seen: string[] = [];

  reset(): void {
    this.seen.push('reset');
  }

  resume(): void {
    this.seen.push('resume');
  }

  receive(events: readonly IServerSentEvent[]): void {
    this.seen.push(
      ...events.map(event =>
        event.type.startsWith('sse.')
          ? event.type
          : `${event.type}=${event.data}`
      )
    );
  }

  async until(entry: string): Promise<void> {
    await eventually(() => expect(this.seen).toContain(entry));
  }
}

const ready = (stream: string, n = 0): string =>
  `event: sse.ready\ndata: {"stream":"${stream}","cursor":"e-9-${n}"}\n\n`;

describe('StreamConnection', () => {
  let server: EventServer;
  let clock: ManualClock;
  let connection: StreamConnection;

  beforeEach(async () => {
    server = await EventServer.start();
    clock = new ManualClock();
    connection = new StreamConnection({
      baseUrl: server.baseUrl,
      request: (url, init) => fetch(url, init),
      clock
    });
  });

  afterEach(async () => {
    connection.dispose();
    await server.stop();
  });

  /** Let time pass until what is awaited has happened. */
  async function passing<T>(awaited: Promise<T>): Promise<T> {
    let isDone = false;
    void awaited.then(() => (isDone = true));
    await eventually(() => {
      clock.advance(5);
      expect(isDone).toBe(true);
    });
    return awaited;
  }
  const arrival = (): Promise<Visit> => passing(server.next());
  const change = (): ReturnType<EventServer['nextChange']> =>
    passing(server.nextChange());
  const untilState = (kind: string): Promise<void> =>
    eventually(() => expect(connection.state.kind).toBe(kind));

  it('asks nobody anything before a stream is wanted', () => {
    expect(connection.state).toEqual({ kind: 'idle' });
  });

  it('reads two streams over one connection, each to its own sink', async () => {
    const [a, b] = [new Sink(), new Sink()];
    connection.add('lab/a', a);
    const visit = await arrival();
    expect(visit.streams).toEqual(['lab/a@earliest']);
    visit.accept('c9');
    await untilState('open');
    connection.add('lab/b', b);
    expect(await change()).toEqual({
      url: '/api/sse/connections/c9',
      add: ['lab/b@earliest'],
      remove: []
    });
    visit.write(
      'event: lab/a:message\ndata: 1\n\nevent: lab/b:status:x\ndata: 2\n\n'
    );
    await b.until('status:x=2');
    expect(a.seen).toEqual(['sse.open', 'message=1']);
    expect(b.seen).toEqual(['status:x=2']);
  });

  it('takes a stream for a stream although its name begins as control events do', async () => {
    const [odd, other] = [new Sink(), new Sink()];
    connection.add('sse.end', odd);
    connection.add('other', other);
    const visit = await arrival();
    visit.accept(
      'c1',
      'event: sse.end:message\ndata: {"stream":"other"}\n\nevent: other:message\ndata: 1\n\n'
    );
    await other.until('message=1');
    expect(odd.seen).toContain('message={"stream":"other"}');
    expect(other.seen).not.toContain('sse.end:message');
  });

  it('resumes a caught-up stream from the last id and reads the others anew', async () => {
    const [a, b] = [new Sink(), new Sink()];
    connection.add('a', a);
    connection.add('b', b);
    const first = await arrival();
    first.accept(
      'c1',
      `event: a:message\ndata: 1\n\n${ready('a')}event: a:message\nid: e-5-1\ndata: 2\n\nevent: b:message\ndata: 3\n\n`
    );
    await b.until('message=3');
    first.cut();
    await untilState('waiting');
    expect((await arrival()).streams).toEqual(['a@e-5-1', 'b@earliest']);
    expect(a.seen).not.toContain('reset');
    expect(b.seen.at(-1)).toBe('reset');
  });

  it('puts the number of the last event of each stream into its cursor', async () => {
    connection.add('a', new Sink());
    connection.add('b', new Sink());
    const c = new Sink();
    connection.add('c', c);
    const first = await arrival();
    first.accept(
      'c1',
      `${ready('a', 7)}${ready('b', 3)}event: b:message\ndata: 1\n\n${ready('c')}id: e-9-0\n\n` +
        'event: sse.gap\ndata: {"stream":"a","lost":{"from":8,"to":11,"count":4}}\n\n' +
        'event: c:message\nid: e-10-1\ndata: 2\n\n'
    );
    await c.until('message=2');
    first.cut();
    await untilState('waiting');
    const { streams } = await arrival();
    expect(streams).toEqual(['a@e-10-11', 'b@e-10-4', 'c@e-10-1']);
  });

  it('resumes after a drop where it stood, without a reset', async () => {
    const a = new Sink();
    connection.add('a', a);
    const first = await arrival();
    first.accept(
      'c1',
      `event: a:message\ndata: 1\n\n${ready('a')}id: e-1-1\n\nevent: a:message\nid: e-2-2\ndata: 2\n\n`
    );
    await a.until('message=2');
    first.cut();
    await untilState('waiting');
    const second = await arrival();
    expect(second.streams).toEqual(['a@e-2-2']);
    second.accept('c2', 'event: a:message\nid: e-3-3\ndata: 3\n\n');
    await a.until('message=3');
    expect(a.seen.filter(entry => !entry.startsWith('sse.'))).toEqual([
      'message=1',
      'message=2',
      'resume',
      'message=3'
    ]);
  });

  it('comes back to a run of its own that is over without beginning another', async () => {
    const a = new Sink();
    connection.add('a', a);
    const run = 'event: sse.run\ndata: {"stream":"a","run":1}\n\n';
    const end = 'event: sse.end\ndata: {"stream":"a","cursor":"e-end-5"}\n\n';
    const first = await arrival();
    first.accept(
      'c1',
      `${run}${ready('a')}id: e-1-1\n\nevent: a:message\nid: e-2-2\ndata: 2\n\n${end}id: e-3-0\n\n`
    );
    await a.until('sse.end');
    first.cut();
    await untilState('waiting');
    const second = await arrival();
    expect(second.streams).toEqual(['a@e-end-5']);
    second.accept('c2', `${ready('a')}id: e-4-0\n\n`);
    await eventually(() =>
      expect(a.seen.filter(one => one === 'sse.ready')).toHaveLength(2)
    );
    second.cut();
    await untilState('waiting');
    const third = await arrival();
    expect(third.streams).toEqual(['a@e-end-5']);
    const news = 'event: a:message\nid: e-5-1\ndata: 1\n\n';
    third.accept('c3', `${run}${ready('a')}id: e-4-0\n\n${news}`);
    await a.until('message=1');
    third.cut();
    await untilState('waiting');
    expect((await arrival()).streams).toEqual(['a@e-5-1']);
  });

  it('forgets a replay that broke off, so that nothing counts twice', async () => {
    const a = new Sink();
    connection.add('a', a);
    const first = await arrival();
    first.accept('c1', 'event: a:message\ndata: 1\n\n');
    await a.until('message=1');
    first.cut();
    await untilState('waiting');
    expect((await arrival()).streams).toEqual(['a@earliest']);
    expect(a.seen.at(-1)).toBe('reset');
  });

  it('resumes amid a replay that broke off, and leaves out what it has received', async () => {
    const a = new Sink();
    connection.add('a', a);
    const first = await arrival();
    first.accept(
      'c1',
      `${ready('a', 4)}id: e-10-0\n\nevent: a:message\ndata: 5\n\nevent: a:message\ndata: 6\n\n`
    );
    await a.until('message=6');
    first.cut();
    await untilState('waiting');
    const second = await arrival();
    expect(second.streams).toEqual(['a@e-9-4']);
    second.accept(
      'c2',
      [5, 6, 7].map(n => `event: a:message\ndata: ${n}\n\n`).join('')
    );
    await a.until('message=7');
    expect(a.seen.filter(entry => !entry.startsWith('sse.'))).toEqual([
      'message=5',
      'message=6',
      'resume',
      'message=7'
    ]);
  });

  it('waits the time the server told before the first try', async () => {
    connection.add('a', new Sink());
    const first = await arrival();
    first.accept('c1', 'retry: 2345\n\n');
    await untilState('open');
    await eventually(() => {
      first.end();
      expect(connection.state.kind).toBe('waiting');
    });
    expect(connection.state).toMatchObject({ retryAt: clock.now() + 2345 });
  });

  it('doubles the wait up to 30 s while the server is away', async () => {
    await server.stop();
    connection.add('a', new Sink());
    clock.advance(0);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      await untilState('waiting');
      const state = connection.state as { retryAt: number };
      waits.push(state.retryAt - clock.now());
      clock.advance(waits[attempt]);
    }
    expect(waits).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000
    ]);
    // afterEach stops a server.
    server = await EventServer.start();
  });

  it('takes a silent connection for a dead one', async () => {
    connection.add('a', new Sink());
    const first = await arrival();
    first.accept();
    await untilState('open');
    clock.advance(37_400);
    expect(connection.state.kind).toBe('open');
    clock.advance(200);
    const second = await arrival();
    expect(second.streams).toEqual(['a@earliest']);
  });

  it('learns from the pings how long silence may last', async () => {
    connection.add('a', new Sink());
    const first = (await arrival()).accept();
    await untilState('open');
    clock.advance(30_000);
    const sink = new Sink();
    connection.add('b', sink);
    clock.advance(0);
    first.write('event: sse.ping\ndata: {"at":1}\n\n');
    await eventually(() => expect(sink.seen).toContain('sse.ping'));
    clock.advance(74_000);
    expect(connection.state.kind).toBe('open');
    clock.advance(1_100);
    await arrival();
  });

  it('looks again at once when the page wakes up', async () => {
    connection.add('a', new Sink());
    (await arrival()).accept();
    await untilState('open');
    // Asleep: time passes, no timer runs.
    clock.time += 20_000;
    connection.check();
    clock.advance(0);
    await arrival();
  });

  it.each([
    [401, 'signed-out'],
    [403, 'forbidden'],
    [404, 'missing']
  ])('rests after %i until it is asked to try again', async (status, kind) => {
    connection.add('a', new Sink());
    (await arrival()).refuse(status);
    await untilState(kind);
    expect(connection.state).toEqual({ kind, message: `refused ${status}` });
    clock.advance(3_600_000);
    expect(connection.state.kind).toBe(kind);
    connection.retryNow();
    (await arrival()).accept();
    await untilState('open');
  });

  it.each([429, 503])(
    'comes back after %i when the server says',
    async status => {
      connection.add('a', new Sink());
      (await arrival()).refuse(status, { 'Retry-After': '30' });
      await untilState('busy');
      expect(connection.state).toMatchObject({ retryAt: clock.now() + 30_000 });
      clock.advance(30_000);
      (await arrival()).accept();
      await untilState('open');
    }
  );

  it('takes a page in place of events for a server without the extension', async () => {
    connection.add('a', new Sink());
    (await arrival()).refuse(200, { 'Content-Type': 'text/html' });
    await untilState('missing');
  });

  it('hangs up when nobody reads any more', async () => {
    connection.add('a', new Sink());
    const visit = (await arrival()).accept();
    await untilState('open');
    const left = visit.left;
    connection.remove('a');
    expect(connection.state.kind).toBe('idle');
    await left;
  });

  it('tells the server which stream it reads no more', async () => {
    connection.add('a', new Sink());
    connection.add('b', new Sink());
    (await arrival()).accept();
    await untilState('open');
    connection.remove('a');
    expect((await change()).remove).toEqual(['a']);
  });

  it('reads a stream that it had left over a new connection, so that late events count for nothing', async () => {
    connection.add('a', new Sink());
    connection.add('b', new Sink());
    const first = (await arrival()).accept();
    await untilState('open');
    connection.remove('a');
    await change();
    const again = new Sink();
    connection.add('a', again);
    first.write('event: a:message\ndata: late\n\n');
    const second = await arrival();
    expect(second.streams).toEqual(['b@earliest', 'a@earliest']);
    second.accept('c2', 'event: a:message\ndata: new\n\n');
    await again.until('message=new');
    expect(again.seen).not.toContain('message=late');
  });

  it('reconnects with all streams when the server cannot change the connection', async () => {
    server.changeStatus = 404;
    connection.add('a', new Sink());
    (await arrival()).accept();
    await untilState('open');
    connection.add('b', new Sink());
    await change();
    expect((await arrival()).streams).toEqual(['a@earliest', 'b@earliest']);
  });

  it('refuses a name that no stream can have', () => {
    expect(() => connection.add('../etc', new Sink())).toThrow(/segments of/);
  });

  it('keeps the request short however many streams there are', async () => {
    const names = Array.from({ length: 300 }, (_, i) =>
      `stream-${i}`.padEnd(60, '-')
    );
    names.forEach(name => connection.add(name, new Sink()));
    const visit = await arrival();
    expect(visit.request.url!.length).toBeLessThan(8_100);
    visit.accept();
    await untilState('open');
    const { add } = await change();
    expect(add.length + visit.streams.length).toBe(300);
  });
});
