import { type IClock, systemClock } from '../src/connection/clock';
import type { IHolderOptions } from '../src/connection/sharing/exchange';
import { leaderWay } from '../src/connection/sharing/leaderWay';
import type { ILocks } from '../src/connection/sharing/locks';
import type { ILogin, ToHolder } from '../src/connection/sharing/message';
import { ownWay } from '../src/connection/sharing/ownWay';
import { channelPort, type TabPort } from '../src/connection/sharing/port';
import { Switchboard } from '../src/connection/sharing/switchboard';
import { TabConnection } from '../src/connection/sharing/tabConnection';
import type { IWay } from '../src/connection/sharing/way';
import type { IServerSentEvent, IStreamSink } from '../src/tokens';
import { parseObject } from '../src/connection/json';

/** The browser's clock, `pace` times as fast. */
export function fastClock(pace: number): IClock {
  return {
    ...systemClock,
    now: () => performance.now() * pace,
    random: () => 0.1,
    after: (delayMs, action) => systemClock.after(delayMs / pace, action)
  };
}

export const hastyClock = fastClock(20);

/** Locks as the browser keeps them, for tabs that are objects of one test. */
export class TestLocks {
  /** The locks as one tab, or worker, sees them. */
  of(owner: string): ILocks {
    return {
      hold: (name, onHeld) => {
        const claim = { owner, onHeld };
        const queue = this._queues.get(name) ?? [];
        this._queues.set(name, [...queue, claim]);
        if (queue.length === 0) {
          queueMicrotask(() => this._grant(name, claim));
        }
        return () => this._release(name, claim);
      }
    };
  }

  /** Whose page ends loses all that it holds and asks for. */
  end(owner: string): void {
    for (const [name, queue] of [...this._queues]) {
      queue
        .filter(claim => claim.owner === owner)
        .forEach(claim => this._release(name, claim));
    }
  }

  private _grant(name: string, claim: IClaim): void {
    if (this._queues.get(name)?.[0] === claim) {
      claim.onHeld();
    }
  }

  private _release(name: string, claim: IClaim): void {
    const queue = this._queues.get(name) ?? [];
    const wasFirst = queue[0] === claim;
    const rest = queue.filter(one => one !== claim);
    this._queues.set(name, rest);
    if (wasFirst && rest.length > 0) {
      queueMicrotask(() => this._grant(name, rest[0]));
    }
  }

  private readonly _queues = new Map<string, IClaim[]>();
}

interface IClaim {
  readonly owner: string;
  readonly onHeld: () => void;
}

/** What a view would know of its stream. */
export class TestSink implements IStreamSink {
  values: unknown[] = [];
  /** The values and, as text, the counts of what is missing between them. */
  story: unknown[] = [];
  controls: string[] = [];
  lost: number | null = 0;
  resets = 0;
  portions = 0;

  get newest(): unknown {
    return this.values.at(-1);
  }

  reset(): void {
    this.values = [];
    this.story = [];
    this.lost = 0;
    this.resets++;
  }

  resume(): void {
    this.controls.push('resume');
  }

  receive(events: readonly IServerSentEvent[]): void {
    this.portions++;
    for (const { type, data } of events) {
      if (type === 'sse.gap') {
        const { count } = parseObject(data).lost as { count: number | null };
        this.story.push(String(count));
        this.lost =
          this.lost === null || count === null ? null : this.lost + count;
      }
      if (type.startsWith('sse.')) {
        this.controls.push(type);
      } else {
        this.values.push(JSON.parse(data));
        this.story.push(this.newest);
      }
    }
  }
}

/** The ways of a tab of a test, by the name of the best of them. */
export type Way = 'worker' | 'leader' | 'own';

/** A browser: what its tabs have in common. */
export class TestBrowser {
  constructor(
    readonly baseUrl: string,
    readonly way: Way,
    readonly options: Partial<IHolderOptions> = {}
  ) {
    const clock = options.clock ?? hastyClock;
    this.clock = clock;
    this._worker = new Switchboard({
      clock,
      locks: this.locks.of('worker'),
      frameMs: 16,
      ...options
    });
  }

  readonly locks = new TestLocks();
  readonly clock: IClock;
  readonly tabs: TestTab[] = [];

  open(login: Partial<ILogin> = {}): TestTab {
    const tab = new TestTab(this, `tab-${++ids}`, login);
    this.tabs.push(tab);
    return tab;
  }

  waysOf(tab: string): IWay[] {
    const options = {
      clock: this.clock,
      locks: this.locks.of(tab),
      frameMs: 0,
      ...this.options
    };
    const ways = [
      this._workerWay(),
      leaderWay(this.baseUrl, tab, this.locks.of(tab), options),
      ownWay(options)
    ];
    return ways.slice(['worker', 'leader', 'own'].indexOf(this.way));
  }

  end(): void {
    this.tabs.forEach(tab => tab.connection.dispose());
    this._worker.dispose();
  }

  private _workerWay(): IWay {
    return {
      name: 'worker',
      take: events => {
        const { port1, port2 } = new MessageChannel();
        this._worker.accept(channelPort(port2));
        events.found(channelPort(port1), 'worker');
        return () => port1.close();
      }
    };
  }

  private readonly _worker: Switchboard;
}

let ids = 0;

/** One tab, which may die without a word. */
export class TestTab {
  constructor(
    private readonly _browser: TestBrowser,
    readonly id: string,
    login: Partial<ILogin>
  ) {
    this.connection = new TabConnection({
      tab: id,
      ways: _browser.waysOf(id).map(way => this._wrap(way)),
      clock: _browser.clock,
      locks: _browser.options.locks === null ? null : _browser.locks.of(id),
      login: () => ({
        baseUrl: _browser.baseUrl,
        token: '',
        user: 'ada',
        xsrf: '',
        credentials: 'same-origin',
        ...login
      })
    });
  }

  readonly connection: TabConnection;
  /** What it has said to its holder. */
  readonly said: ToHolder[] = [];
  /** While true it acknowledges nothing, as a page that computes. */
  isStuck = false;

  read(stream: string): TestSink {
    const sink = new TestSink();
    this.connection.add(stream, sink);
    return sink;
  }

  /** Acknowledge what was held back. */
  goOn(): void {
    this.isStuck = false;
    this._unsaid.splice(0).forEach(say => say());
  }

  /** As a user closes it: the page says goodbye. */
  close(): void {
    this.connection.dispose();
  }

  /** As a crash: nobody says anything. */
  die(): void {
    this._isDead = true;
    this.connection.dispose();
    this._browser.locks.end(this.id);
  }

  private _wrap(way: IWay): IWay {
    return {
      name: way.name,
      take: events =>
        way.take({
          found: (port, holder) => events.found(this._tap(port), holder),
          failed: reason => events.failed(reason)
        })
    };
  }

  private _tap(port: TabPort): TabPort {
    return {
      ...port,
      close: () => port.close(),
      listen: hear => port.listen(hear),
      post: message => {
        if (this._isDead) {
          return;
        }
        this.said.push(message);
        if (this.isStuck && message.kind === 'took') {
          this._unsaid.push(() => port.post(message));
        } else {
          port.post(message);
        }
      }
    };
  }

  private readonly _unsaid: (() => void)[] = [];
  private _isDead = false;
}
