import { beforeEach, describe, expect, it } from 'vitest';

import type { IGap } from '../src/model/event';
import { StreamModel } from '../src/model/stream';
import { ServerClock } from '../src/model/time';
import type { ConnectionState, IServerSentEvent } from '../src/tokens';
import { statusOf } from '../src/views/status';
import {
  describeGap,
  describeReturn,
  describeStatus,
  type ISentence,
  type Remedy
} from '../src/views/texts';
import { TimeFormat } from '../src/views/format';
import { control, event, OPEN } from './events';
import { ManualClock } from './manualClock';

let clock: ManualClock;
let model: StreamModel;

beforeEach(() => {
  clock = new ManualClock();
  model = new StreamModel('loss', new ServerClock(clock), clock);
});

const run = (number: number): IServerSentEvent =>
  control('run', { run: number, producer: { kernel: 'k1', label: 'nb' } });
const statusKind = (connection: ConnectionState = OPEN): string =>
  statusOf(model, connection).kind;

describe('statusOf', () => {
  it('follows a stream from its start to its end', () => {
    expect(statusKind({ kind: 'connecting' })).toBe('connecting');
    model.receive([run(1), event('1')]);
    expect(statusKind()).toBe('catching-up');
    model.receive([control('ready')]);
    expect(statusKind()).toBe('live');
    model.receive([control('state', { producer: 'lost', subscribers: 2 })]);
    expect(statusKind()).toBe('lost');
    model.receive([control('end', { reason: 'lost' })]);
    expect(statusKind()).toBe('gone');
    model.receive([
      run(2),
      control('state', { producer: 'live', subscribers: 2 })
    ]);
    expect(statusKind()).toBe('waiting');
    model.receive([event('1'), control('end', { reason: 'done' })]);
    expect(statusKind()).toBe('ended');
  });

  it.each([
    [{ reason: 'stopped' }, 'stopped'],
    [{ reason: 'error', error: { type: 'E', message: 'm' } }, 'failed'],
    [{ reason: 'refused', status: 404 }, 'unknown'],
    [{ reason: 'refused', status: 403 }, 'forbidden']
  ])('reads the end %j as %s', (end, kind) => {
    model.receive([control('end', end)]);
    expect(statusKind()).toBe(kind);
  });

  it('tells what is over as over, also while the server is away', () => {
    model.receive([run(1), event('1'), control('ready'), control('end')]);
    expect(
      statusKind({ kind: 'waiting', retryAt: 1, since: 0, message: '' })
    ).toBe('ended');
  });

  it('tells of the connection while the stream goes on', () => {
    model.receive([run(1), event('1'), control('ready')]);
    expect(
      statusKind({ kind: 'waiting', retryAt: 1, since: 0, message: '' })
    ).toBe('reconnecting');
    expect(statusKind({ kind: 'missing', message: '' })).toBe('missing');
  });
});

describe('describeStatus', () => {
  const time = new TimeFormat('UTC');
  const say = (connection: ConnectionState = OPEN): string | undefined =>
    describeStatus(statusOf(model, connection), model, clock.now(), time)?.text;

  it('says what there is to say, and nothing while all is well', () => {
    model.receive([run(1), control('ready')]);
    expect(say()).toBe('Waiting for the first event of “loss”.');
    const at = Date.UTC(2026, 10, 22, 14, 3, 22);
    model.receive([control('time', { at }), event('1')]);
    expect(say()).toBeUndefined();
    model.receive([control('end', { reason: 'done', at })]);
    expect(say()).toBe('Ended at 14:03:22 after 1 event.');
  });

  it('counts updates of progress, whose events are not what it counts', () => {
    const options = { view: { kind: 'progress' } };
    const data = '{"n": 200, "total": null}';
    model.receive([
      control('run', { run: 1, options }),
      ...['1', '2'].map(id => ({ ...event(id), data })),
      control('end', { reason: 'done' })
    ]);
    expect(say()).toMatch(/ after 2 updates\.$/);
  });

  it('tells the error of a run that failed, and all of a long one beyond', () => {
    const fail = (message: string): ISentence | null => {
      const error = { type: 'ValueError', message, line: 7 };
      const options = { origin: 'cell 2' };
      model.receive([
        control('run', { run: 1, options }),
        control('end', { reason: 'error', error })
      ]);
      return describeStatus(statusOf(model, OPEN), model, clock.now(), time);
    };
    expect(fail('bad batch')).toMatchObject({
      text: 'ValueError: bad batch, at line 7 of cell 2',
      remedy: 'show-error',
      details: 'ValueError: bad batch\nat line 7 of cell 2'
    });
    expect(fail('shapes differ:\n(3, 4)\n(3, 5)')).toMatchObject({
      text: 'ValueError: shapes differ:…, at line 7 of cell 2',
      details: 'ValueError: shapes differ:\n(3, 4)\n(3, 5)\nat line 7 of cell 2'
    });
    expect(fail('x'.repeat(5_000))?.text.length).toBeLessThan(200);
  });

  it('offers to run again what has ended or is gone', () => {
    const remedy = (): Remedy | null | undefined =>
      describeStatus(statusOf(model, OPEN), model, clock.now(), time)?.remedy;
    model.receive([run(1), event('1'), control('ready')]);
    expect(remedy()).toBeUndefined();
    for (const end of [{ reason: 'done' }, { reason: 'stopped' }]) {
      model.receive([control('end', end)]);
      expect(remedy()).toBe('run-again');
    }
    model.receive([control('end', { reason: 'refused', status: 404 })]);
    expect(remedy()).toBe('run-again');
  });

  it('tells after ten seconds without an event, counted anew for each run', () => {
    model.receive([run(1), control('ready')]);
    clock.advance(9_000);
    expect(say()).toMatch(/^Waiting for the first event/);
    clock.advance(2_000);
    expect(say()).toMatch(/^No events yet\./);
    model.receive([event('1'), run(2)]);
    expect(say()).toMatch(/^Waiting for the first event/);
  });

  it('tells what an outage has cost', () => {
    const gap = (count: number | null): IGap => ({
      reason: 'evicted',
      count,
      after: 1
    });
    const missed = [gap(312)];
    expect(describeReturn(missed)).toMatchObject({
      text: 'Reconnected. 312 events were lost.',
      remedy: 'show-gap',
      gap: missed[0]
    });
    expect(describeReturn([gap(1)]).text).toBe(
      'Reconnected. 1 event was lost.'
    );
    expect(describeReturn([gap(null), gap(4)]).text).toBe(
      'Reconnected. At least 4 events were lost in 2 gaps.'
    );
    expect(describeReturn([gap(null)]).text).toBe(
      'Reconnected. Events were lost.'
    );
  });

  it('counts down to the next try', () => {
    model.receive([run(1), control('ready'), event('1')]);
    const now = clock.now();
    expect(
      say({
        kind: 'waiting',
        since: now - 12_000,
        retryAt: now + 3_000,
        message: ''
      })
    ).toBe('Connection lost 12 s ago. Trying again in 3 s.');
  });

  it('tells why events are missing', () => {
    expect(describeGap({ reason: 'evicted', count: 312, after: 1 })).toBe(
      "312 events were lost. The server's history no longer holds them."
    );
    expect(describeGap({ reason: 'new', count: null, after: 1 })).toBe(
      'Events were lost.'
    );
  });
});
