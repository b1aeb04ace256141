import { type ISignal, Signal } from '@lumino/signaling';

import type {
  ConnectionState,
  IConnection,
  ICursor,
  IStreamSink
} from '../../tokens';
import type { IClock } from '../clock';
import { nameError } from '../name';
import type { ILocks } from './locks';
import {
  type IHolderDetails,
  type ILogin,
  type IRead,
  isNews,
  type Item,
  type ToHolder,
  type ToTab,
  VERSION
} from './message';
import type { TabPort } from './port';
import type { Holder, IWay } from './way';

/** How long a holder may take to bid welcome before another way is tried. */
const WELCOME_MS = 15_000;
/** How long this tab may take to get the lock that says that it lives. */
const LOCK_MS = 1_000;
/** How often a holder is asked whether it is there. */
const CALL_MS = 30_000;
/** How long its answer may take. */
const ANSWER_MS = 10_000;

export interface ITabConnectionOptions {
  /** Names the tab among all of its origin. */
  readonly tab: string;
  /** From the best to the one that always works. */
  readonly ways: readonly IWay[];
  readonly clock: IClock;
  readonly locks: ILocks | null;
  /** The login as it is now. */
  readonly login: () => Promise<ILogin> | ILogin;
}

/** How this tab comes to its events, for those who look for a fault. */
export interface IConnectionDetails {
  readonly version: string;
  readonly tab: string;
  readonly holder: Holder | null;
  /** Which ways were tried before, and why they were left. */
  readonly left: readonly string[];
  /** What the holder says; `null` where it does not answer. */
  readonly shared: IHolderDetails | null;
}

/** The key of the lock of a tab. */
export function tabLock(tab: string): string {
  return `jupyter_sse tab ${tab}`;
}

interface IReading {
  readonly key: number;
  readonly stream: string;
  readonly sink: IStreamSink;
  cursor: ICursor | null;
  isFresh: boolean;
}

/**
 * A tab's part in the connection that all tabs share: tells the holder what it reads, and hands its sinks what comes.
 *
 * It survives its holder: each reading knows how far it has come, and goes on from there with the next one.
 */
export class TabConnection implements IConnection {
  constructor(private readonly _options: ITabConnectionOptions) {
    const { locks, tab } = _options;
    this._hasLock = new Promise(resolve => {
      if (locks === null) {
        resolve(false);
      } else {
        this._releaseLock = locks.hold(tabLock(tab), () => resolve(true));
        // Where locks are refused, nothing is ever held.
        _options.clock.after(LOCK_MS, () => resolve(false));
      }
    });
  }

  get state(): ConnectionState {
    return this._state;
  }

  get stateChanged(): ISignal<IConnection, ConnectionState> {
    return this._stateChanged;
  }

  get lastEventId(): string | null {
    return this._lastEventId;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Who holds the connection; `null` before somebody does. */
  get holder(): Holder | null {
    return this._holder;
  }

  add(stream: string, sink: IStreamSink): void {
    const error = nameError(stream);
    if (error !== null) {
      throw new Error(error);
    }
    const key = ++this._keys;
    const reading = { key, stream, sink, cursor: null, isFresh: true };
    this._readings.set(key, reading);
    this._say({ kind: 'add', read: readOf(reading) });
    if (!this._isBegun) {
      void this._begin();
    }
  }

  remove(stream: string): void {
    for (const { key, stream: name } of this._readings.values()) {
      if (name === stream) {
        this._readings.delete(key);
        this._say({ kind: 'remove', key });
      }
    }
  }

  retryNow(): void {
    void this._refreshLogin().then(() => this._say({ kind: 'retry' }));
  }

  check(): void {
    void this._refreshLogin().then(() => this._say({ kind: 'check' }));
    this._call();
  }

  /** Whether anybody can see the tab: a hidden one is told what happens in larger pieces. */
  show(isVisible: boolean): void {
    this._isVisible = isVisible;
    this._say({ kind: 'visible', isVisible });
    if (isVisible) {
      this.check();
    }
  }

  /** The page goes; it may come back from the browser's memory. */
  leave(): void {
    this._bye();
    this._leaveWay?.();
    this._leaveWay = null;
    this._isBegun = false;
  }

  /** The page is back. */
  comeBack(): void {
    if (!this._isBegun && this._readings.size > 0) {
      void this._begin();
    }
  }

  /** Ask how the tab comes to its events. */
  async inspect(): Promise<IConnectionDetails> {
    const shared = await new Promise<IHolderDetails | null>(resolve => {
      this._onDetails = resolve;
      this._options.clock.after(ANSWER_MS, () => resolve(null));
      if (!this._isWelcome) {
        resolve(null);
      }
      this._say({ kind: 'inspect' });
    });
    const { tab } = this._options;
    const { _holder: holder, _left: left } = this;
    return { version: VERSION, tab, holder, left, shared };
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.leave();
      this._releaseLock();
      this._readings.clear();
      Signal.clearData(this);
    }
  }

  private async _begin(): Promise<void> {
    this._isBegun = true;
    this._setState({ kind: 'connecting' });
    // The other views of a page that opens come along.
    this._login = await this._options.login();
    if (this._isBegun && this._leaveWay === null) {
      this._takeWay(0);
    }
  }

  private _takeWay(index: number): void {
    const way = this._options.ways[index];
    const leave = this._leaveWay;
    this._bye();
    leave?.();
    this._wayIndex = index;
    let isLeft = false;
    const cancelWelcome = this._options.clock.after(WELCOME_MS, () => {
      if (!this._isWelcome) {
        this._tryNext('nobody answered');
      }
    });
    let leaveWay = (): void => undefined;
    this._leaveWay = () => {
      isLeft = true;
      cancelWelcome();
      leaveWay();
    };
    leaveWay = way.take({
      found: (port, holder) => {
        if (!isLeft) {
          void this._greet(port, holder);
        }
      },
      failed: reason => {
        if (!isLeft) {
          this._tryNext(reason);
        }
      }
    });
    if (isLeft) {
      leaveWay();
    }
  }

  private _tryNext(reason: string): void {
    const { ways } = this._options;
    this._left.push(`${ways[this._wayIndex].name}: ${reason}`);
    this._left.splice(0, this._left.length - 10);
    // The last one is tried again and again.
    this._takeWay(Math.min(this._wayIndex + 1, ways.length - 1));
  }

  /** Say hello to a holder, with all that is read and how far it has come. */
  private async _greet(port: TabPort, holder: Holder): Promise<void> {
    this._bye();
    this._port = port;
    this._greeted = holder;
    const [hasLock, login] = await Promise.all([
      this._hasLock,
      this._options.login()
    ]);
    if (this._port !== port) {
      return;
    }
    this._login = login;
    port.listen(message => {
      if (this._port === port) {
        this._hear(message);
      }
    });
    const { tab } = this._options;
    this._isGreeted = true;
    port.post({
      kind: 'hello',
      version: VERSION,
      tab,
      lock: hasLock ? tabLock(tab) : null,
      login,
      isVisible: this._isVisible,
      reads: [...this._readings.values()].map(readOf)
    });
  }

  private _hear(message: ToTab): void {
    this._isAnswered = true;
    switch (message.kind) {
      case 'welcome':
        this._isWelcome = true;
        this._holder = this._greeted;
        this._planCall();
        break;
      case 'refused':
        this._tryNext(message.reason);
        break;
      case 'state':
        this._setState(message.state);
        break;
      case 'batch':
        message.items.forEach(item => this._take(item));
        this._say({ kind: 'took', size: message.size });
        break;
      case 'dropped':
        this._takeWay(this._wayIndex);
        break;
      case 'details':
        this._onDetails(message.details);
        break;
    }
  }

  private _take(item: Item): void {
    const reading = this._readings.get(item.key);
    if (reading === undefined) {
      return;
    }
    if (item.action === 'receive') {
      reading.cursor = item.cursor;
      reading.isFresh &&= !item.events.some(isNews);
      this._lastEventId = item.cursor?.position ?? this._lastEventId;
      if (item.events.length > 0) {
        reading.sink.receive(item.events, item.cursor);
      }
    } else if (item.action === 'reset') {
      reading.cursor = null;
      reading.isFresh = true;
      reading.sink.reset();
    } else {
      reading.sink.resume();
    }
  }

  /** Ask the holder whether it is there; where it is not, look for one anew. */
  private _call(): void {
    if (!this._isWelcome || this._cancelAnswer !== null) {
      return;
    }
    this._isAnswered = false;
    // Before the question: a holder in this page answers at once.
    this._cancelAnswer = this._options.clock.after(ANSWER_MS, () => {
      this._cancelAnswer = null;
      if (!this._isAnswered) {
        this._left.push(`${this._options.ways[this._wayIndex].name}: silence`);
        this._takeWay(this._wayIndex);
      }
    });
    this._say({ kind: 'call' });
  }

  private _planCall(): void {
    this._cancelCall?.();
    this._cancelCall = this._options.clock.after(CALL_MS, () => {
      this._call();
      this._planCall();
    });
  }

  /** Say something to the holder; before the hello there is nobody to hear it, and nothing that the hello does not tell. */
  private _say(message: ToHolder): void {
    if (this._isGreeted) {
      this._port?.post(message);
    }
  }

  /** End what is between this tab and its holder. */
  private _bye(): void {
    this._cancelCall?.();
    this._cancelAnswer?.();
    this._cancelCall = null;
    this._cancelAnswer = null;
    this._say({ kind: 'bye' });
    this._port?.close();
    this._port = null;
    this._isGreeted = false;
    this._isWelcome = false;
    this._holder = null;
  }

  private _setState(state: ConnectionState): void {
    this._state = state;
    if (state.kind === 'waiting' || state.kind === 'forbidden') {
      // A server that came back may want another _xsrf.
      void this._refreshLogin();
    }
    this._stateChanged.emit(state);
  }

  /** Tell what may have changed since the holder was told how to log in. */
  private async _refreshLogin(): Promise<void> {
    const login = await this._options.login();
    if (JSON.stringify(login) !== JSON.stringify(this._login)) {
      this._login = login;
      this._say({ kind: 'login', login });
    }
  }

  private readonly _stateChanged = new Signal<IConnection, ConnectionState>(
    this
  );
  private _state: ConnectionState = { kind: 'idle' };
  private _lastEventId: string | null = null;
  private _isDisposed = false;
  private _isVisible = true;

  private readonly _readings = new Map<number, IReading>();
  private _keys = 0;

  private _isBegun = false;
  private _wayIndex = 0;
  private _leaveWay: (() => void) | null = null;
  private readonly _left: string[] = [];
  private _port: TabPort | null = null;
  /** Who holds what the port leads to, once it bids welcome. */
  private _greeted: Holder | null = null;
  private _holder: Holder | null = null;
  /** Whether the holder has been told who asks. */
  private _isGreeted = false;
  private _isWelcome = false;
  private _login: ILogin | null = null;
  private readonly _hasLock: Promise<boolean>;
  private _releaseLock: () => void = () => undefined;

  private _isAnswered = false;
  private _cancelCall: (() => void) | null = null;
  private _cancelAnswer: (() => void) | null = null;
  private _onDetails: (details: IHolderDetails) => void = () => undefined;
}

function readOf({ key, stream, cursor, isFresh }: IReading): IRead {
  return { key, stream, cursor, isFresh };
}
