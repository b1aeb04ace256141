import { beforeEach, describe, expect, it } from 'vitest';

import { StreamModel } from '../src/model/stream';
import { Streams } from '../src/model/streams';
import { AppendTimes, RateMeter, ServerClock } from '../src/model/time';
import type { IServerSentEvent } from '../src/tokens';
import { describeLoss } from '../src/views/texts';
import { control, event, OPEN } from './events';
import { ManualClock } from './manualClock';

let clock: ManualClock;
let model: StreamModel;

beforeEach(() => {
  clock = new ManualClock();
  model = new StreamModel('loss', new ServerClock(clock), clock);
});

const run = (number: number, kernel = 'k1'): IServerSentEvent =>
  control('run', { run: number, producer: { kernel, label: 'nb' } });

describe('StreamModel', () => {
  it('counts events, not what the server says about them', () => {
    model.receive([run(1), control('time', { at: 1 }), event({ a: 1 })]);
    model.receive([control('ready'), event({ a: 2 })]);
    expect(model.events).toBe(2);
    expect([...model.points('a').y]).toEqual([1, 2]);
    expect(model.seriesNames).toEqual(['a']);
  });

  it('starts afresh with a new run, and goes on within the same', () => {
    model.receive([run(1), event({ a: 1 })]);
    model.receive([run(1), event({ a: 2 })]);
    expect(model.events).toBe(2);
    model.receive([run(2), event({ a: 3 })]);
    expect(model.events).toBe(1);
    expect(model.run).toBe(2);
    expect([...model.points('a').y]).toEqual([3]);
  });

  it('takes the same run number of another kernel for another run', () => {
    model.receive([run(1, 'k1'), event({ a: 1 })]);
    model.receive([run(1, 'k2'), event({ a: 2 })]);
    expect(model.events).toBe(1);
  });

  it('knows a run that takes place for this reader alone', () => {
    model.receive([run(1)]);
    expect(model.runInfo?.isOwn).toBe(false);
    model.receive([control('run', { run: 2, kind: 'visit' })]);
    expect(model.runInfo?.isOwn).toBe(true);
  });

  it('fills a view that is opened late from what it kept', () => {
    model.receive([
      run(1),
      event({ a: 1 }),
      control('gap', { reason: 'overflow', lost: { count: 3 } }),
      event('careful', 'warning'),
      event({ a: 2 })
    ]);
    expect([...model.log.lines].map(line => line.kind)).toEqual([
      'line',
      'gap',
      'flag',
      'line'
    ]);
    expect(model.table.rows.length).toBe(3);
    const plot = model.plot('@n');
    expect([...plot.series[0].points.y]).toEqual([1, NaN, 2]);
    expect(plot.flags.map(flag => flag.text)).toEqual(['careful']);
    expect(plot.gaps[0]).toMatchObject({ from: 1, to: 3 });
  });

  it('counts the points of lists from the start of the run, also for a view that is opened late', () => {
    const before = event({ v: [1, 2, 3], pad: 'x'.repeat(9 * 1024 * 1024) });
    model.receive([run(1), before, event('hot', 'warning'), event('a text')]);
    model.receive([event({ v: [4, 5] }), event({ v: 6 }), before]);
    expect(model.holdsBlocks).toBe(true);
    // The first event is no longer kept.
    const plot = model.plot(null);
    expect([...plot.series[0].points.x]).toEqual([4, 5, 6, 7, 8, 9]);
    model.receive([run(2), event({ v: [7, 8] })]);
    expect([...plot.series[0].points.x]).toEqual([1, 2]);
  });

  it('keeps the stores of open views up to date', () => {
    const { log, table } = model;
    const plot = model.plot('@n');
    model.receive([event({ a: 1 }), event({ a: 2 })]);
    expect(log.lines.length).toBe(2);
    expect(table.rows.length).toBe(2);
    expect(plot.series[0].points.length).toBe(2);
  });

  it('counts what is lost and keeps the gap that was told before a new run', () => {
    model.receive([run(1), event({ a: 1 }), control('ready')]);
    model.receive([
      control('gap', { reason: 'evicted', lost: { from: 2, to: 4, count: 3 } }),
      run(2),
      event({ a: 5 })
    ]);
    expect(model.lost).toBe(3);
    expect(describeLoss(model.losses)).toBe('3 lost in 1 gap');
    model.receive([event({ a: 6 }), run(3)]);
    expect(model.lost).toBe(0);
  });

  it('counts by positions what the server cannot count', () => {
    const at = (n: number, epoch = 'AAAAAAAAAAA'): IServerSentEvent => ({
      ...event('1'),
      id: `${epoch}-${n + 100}-${n}`
    });
    const unknown = control('gap', {
      reason: 'evicted',
      lost: { count: null }
    });
    model.receive([run(1), event('1'), control('ready'), at(2), at(3)]);
    model.resume();
    model.receive([unknown, event('1'), event('1'), control('ready')]);
    expect(describeLoss(model.losses)).toBe('? lost in 1 gap');
    model.receive([at(16)]);
    // Number 3 was the last before; 14 and 15 were replayed without a position.
    expect(model.lost).toBe(10);
    // A new log counts anew: nothing can be told.
    model.receive([unknown, at(2, 'BBBBBBBBBBB')]);
    expect(describeLoss(model.losses)).toBe('10+ lost in 2 gaps');
    expect(model.plot('@n').gaps[0].gap.count).toBe(10);
  });

  it('tells a thousand gaps apart and counts all of more', () => {
    const lose = (count: number | null): IServerSentEvent[] => [
      control('gap', { reason: 'overflow', lost: { count } }),
      event({ a: 1 })
    ];
    model.plot('@n');
    model.receive([run(1), event({ a: 1 }), ...lose(7), ...lose(null)]);
    for (let i = 0; i < 2_500; i++) {
      model.receive(lose(2));
    }
    expect(model.losses).toEqual({
      events: 5_007,
      gaps: 2_502,
      isExact: false
    });
    expect(model.lost).toBe(5_007);
    expect(model.gaps.length).toBe(1_000);
    const bands = model.plot('@n').gaps;
    expect(bands.length).toBe(1_000);
    expect(bands[0]).toMatchObject({ from: 1, gap: { count: null } });
    expect(bands.at(-1)).toMatchObject({ from: 2_502, to: 2_503 });
  });

  it('shows a gap that was told before a new run at its start, in every view', () => {
    const plot = model.plot('@n');
    const { log, table } = model;
    model.receive([run(1), event({ a: 1 }), control('ready')]);
    model.receive([
      control('gap', { reason: 'evicted', lost: { count: 3 } }),
      run(2),
      event({ a: 5 })
    ]);
    expect(plot.gaps).toMatchObject([{ from: NaN, to: 1, gap: { count: 3 } }]);
    expect([...log.lines].map(line => line.kind)).toEqual(['gap', 'line']);
    expect([...table.rows].map(row => row.kind)).toEqual(['gap', 'row']);
  });

  it('forgets everything on a reset', () => {
    model.receive([
      run(1),
      event({ a: 1 }),
      control('gap', { reason: 'overflow', lost: { count: null } })
    ]);
    model.reset();
    expect(model.events).toBe(0);
    expect(model.gaps).toEqual([]);
    expect(model.seriesNames).toEqual([]);
    model.receive([run(1), event({ a: 1 })]);
    expect(model.events).toBe(1);
  });

  it('remembers the id of the newest event that had one', () => {
    model.receive([{ ...event('1'), id: 'e-1-1' }, event('2')]);
    expect(model.lastEventId).toBe('e-1-1');
  });

  it('draws errors, warnings, marks and annotations as flags, whatever their text', () => {
    model.receive([
      event({ a: 1 }),
      event('checkpoint', 'mark'),
      event({ text: 'too hot' }, 'error'),
      event({ loss: 3 }, 'annotation')
    ]);
    expect(model.plot(null).flags.map(flag => flag.text)).toEqual([
      'checkpoint',
      'too hot'
    ]);
    // Without text it is data.
    expect(model.seriesNames).toEqual(['a', 'loss']);
    expect(model.last?.event.ordinal).toBe(4);
  });

  it('holds its newest events within bounds', () => {
    const many = Array.from({ length: 25_000 }, (_, i) => event({ a: i }));
    model.receive(many);
    expect(model.events).toBe(25_000);
    expect(model.recent.length).toBe(10_000);
    expect(model.recent.last?.ordinal).toBe(25_000);
  });

  it('keeps what a hostile control event says out', () => {
    model.receive([
      control('time', { at: 'now' }),
      control('state', { producer: 7, subscribers: 'x' }),
      control('gap', { lost: 3 }),
      control('end', { error: 'x' }),
      event('not json', 'sse.run'),
      event('{}', 'sse.unheard-of')
    ]);
    expect(model.subscribers).toBeNull();
    expect(model.end?.reason).toBe('done');
  });
});

describe('the times of events', () => {
  it('are those the server told, spread evenly in between during a replay', () => {
    model.plot('@time');
    model.receive([
      run(1),
      ...[1000, 1016, 1032].flatMap(at => [
        control('time', { at }),
        event({ a: 1 }),
        event({ a: 1 }),
        event({ a: 1 }),
        event({ a: 1 })
      ])
    ]);
    const x = [...model.points('a').x];
    expect([x[0], x[4], x[8]]).toEqual([1000, 1016, 1032]);
    expect(x.slice(4, 8)).toEqual([1016, 1020, 1024, 1028]);
    expect([...x].sort((a, b) => a - b)).toEqual(x);
  });

  it('are the present for live events, within what the server told', () => {
    model.receive([run(1), control('ready')]);
    const start = clock.now();
    model.receive([control('time', { at: start }), event({ a: 1 })]);
    clock.advance(10);
    model.receive([event({ a: 1 })]);
    clock.advance(500);
    model.receive([event({ a: 1 })]);
    expect([...model.points('a').x]).toEqual([start, start + 10, start + 15]);
  });

  it('never go back', () => {
    const times = new AppendTimes(new ServerClock(clock));
    times.mark(5_000);
    times.next(false);
    times.mark(4_000);
    expect(times.next(false)).toBe(5_000);
  });
});

describe('ServerClock', () => {
  it('believes the message that was least delayed', () => {
    const server = new ServerClock(clock);
    const ahead = 10_000;
    server.tell(clock.now() + ahead - 80);
    server.tell(clock.now() + ahead - 5);
    server.tell(clock.now() + ahead - 300);
    expect(server.now() - clock.now()).toBe(ahead - 5);
  });

  it('follows a clock that was set back, after a while', () => {
    const server = new ServerClock(clock);
    server.tell(clock.now() + 10_000);
    clock.advance(6 * 60_000);
    server.tell(clock.now() - 50);
    expect(server.now() - clock.now()).toBe(-50);
  });
});

describe('RateMeter', () => {
  it('tells events per second of the last five seconds', () => {
    const meter = new RateMeter();
    for (let at = 0; at < 20_000; at += 20) {
      meter.count(at);
    }
    expect(meter.rate(20_000)).toBeCloseTo(50, 0);
    expect(Math.round(meter.rate(22_500))).toBe(24);
    expect(meter.rate(60_000)).toBe(0);
  });
});

describe('Streams', () => {
  class FakeConnection {
    reading = new Set<string>();
    state = OPEN;
    add(stream: string): void {
      this.reading.add(stream);
    }
    remove(stream: string): void {
      this.reading.delete(stream);
    }
  }
  let connection: FakeConnection;
  let streams: Streams;

  beforeEach(() => {
    connection = new FakeConnection();
    streams = new Streams(connection as never, undefined, clock);
  });

  it('shares one model among all views of a stream', () => {
    const [a, b] = [streams.lease('loss'), streams.lease('loss')];
    expect(a.model).toBe(b.model);
    expect([...connection.reading]).toEqual(['loss']);
    expect(streams.peek('loss')).toBe(a.model);
  });

  it('reads on for a while after the last view, for the cell that is run again', () => {
    const first = streams.lease('loss');
    first.dispose();
    first.dispose();
    clock.advance(3_000);
    const second = streams.lease('loss');
    expect(second.model).toBe(first.model);
    clock.advance(60_000);
    expect(connection.reading.size).toBe(1);
    second.dispose();
    clock.advance(6_000);
    expect(connection.reading.size).toBe(0);
    expect(streams.names()).toEqual([]);
  });
});
