import type { ConnectionState } from '../../tokens';
import type { IClock } from '../clock';
import { type RequestFunction, StreamConnection } from '../connection';
import { CatchUp, type Outcome } from './catchUp';
import { type ILocks, whenFree } from './locks';
import { requestAs } from './login';
import { Member } from './member';
import type { IHolderDetails, ILogin, IRead, ToHolder } from './message';
import type { HolderPort } from './port';
import { Reader } from './reader';
import { Share } from './share';

/** How long one tab that takes nothing may hold up the others. */
const PATIENCE_MS = 1_000;
/** How long a tab may be silent that holds no lock: browsers let hidden ones speak once a minute. */
const SILENCE_MS = 200_000;
/** Before a stream is tried again that could not be read alone. */
const RETRY_MS = 2_000;

type Hello = Extract<ToHolder, { kind: 'hello' }>;

export interface IHolderOptions {
  readonly clock: IClock;
  /** `null` where there are none. */
  readonly locks: ILocks | null;
  /** A visible tab is told what happens once in this time; 0: as it comes. */
  readonly frameMs: number;
  /** How to ask the server; @defaultValue by what the tabs tell of their login */
  readonly request?: RequestFunction;
}

/**
 * Holds the one connection for all tabs of a login, and passes on what it brings.
 *
 * #### Notes
 * It keeps no events: a tab that cannot take any more, or comes later, is brought up by a {@link CatchUp}.
 */
export class Exchange {
  /** @param onEmpty - called when the last tab is gone */
  constructor(
    login: ILogin,
    private readonly _options: IHolderOptions,
    private readonly _onEmpty: () => void
  ) {
    this._login = login;
    this._request = _options.request ?? requestAs(() => this._login);
    this._connection = new StreamConnection({
      baseUrl: login.baseUrl,
      request: this._request,
      clock: _options.clock,
      onState: state => this._tellState(state),
      onDelivered: () => this._afterPiece()
    });
  }

  /** Take a tab in; in place of its earlier self, if there is one. */
  admit(hello: Hello, port: HolderPort): Member {
    const earlier = [...this._members.keys()].find(
      member => member.tab === hello.tab
    );
    const { clock, locks, frameMs } = this._options;
    const member = new Member(hello.tab, port, clock, frameMs, () => {
      this._checkRoom();
      this._next();
    });
    const hasLock = hello.lock !== null && locks !== null;
    this._members.set(
      member,
      hasLock
        ? whenFree(locks, hello.lock, () => this.dismiss(member))
        : this._watch(member)
    );
    this._login = hello.login;
    member.show(hello.isVisible);
    member.post({ kind: 'welcome' });
    member.post({ kind: 'state', state: this._connection.state });
    hello.reads.forEach(read => this._add(member, read));
    member.flush();
    if (earlier !== undefined) {
      this.dismiss(earlier);
    }
    return member;
  }

  /** Do what a tab says. */
  hear(member: Member, message: ToHolder): void {
    member.heardAt = this._options.clock.now();
    switch (message.kind) {
      case 'add':
        this._add(member, message.read);
        member.flush();
        break;
      case 'remove':
        this._remove(member, message.key);
        break;
      case 'took':
        member.took(message.size);
        break;
      case 'visible':
        member.show(message.isVisible);
        break;
      case 'login':
        this._login = message.login;
        break;
      case 'call':
        member.post({ kind: 'answer' });
        break;
      case 'check':
        this._connection.check();
        break;
      case 'retry':
        this._connection.retryNow();
        break;
      case 'inspect':
        member.post({ kind: 'details', details: this._details() });
        break;
      case 'bye':
        this.dismiss(member);
        break;
    }
  }

  /** A tab is gone. */
  dismiss(member: Member): void {
    const stopWatching = this._members.get(member);
    if (stopWatching === undefined) {
      return;
    }
    stopWatching();
    this._members.delete(member);
    [...member.readers.keys()].forEach(key => this._remove(member, key));
    member.close();
    this._checkRoom();
    if (this._members.size === 0) {
      this.dispose();
      this._onEmpty();
    }
  }

  dispose(): void {
    this._catchUp?.stop();
    this._cancelNext?.();
    this._cancelPatience?.();
    this._onRoom?.();
    this._members.forEach((stopWatching, member) => {
      stopWatching();
      member.close();
    });
    this._members.clear();
    this._waiting.clear();
    this._connection.dispose();
  }

  private _add(member: Member, read: IRead): void {
    let share = this._shares.get(read.stream);
    const isFirst = share === undefined;
    share ??= new Share(
      read.stream,
      read.cursor,
      () => this._next(),
      reader => this._enqueue(reader)
    );
    const reader = new Reader(member, share, read);
    this._shares.set(read.stream, share);
    member.readers.set(read.key, reader);
    share.readers.add(reader);
    if (isFirst) {
      reader.join(null);
      this._connection.add(read.stream, share, read.cursor);
    } else {
      this._enqueue(reader);
    }
  }

  private _remove(member: Member, key: number): void {
    const reader = member.readers.get(key);
    if (reader === undefined) {
      return;
    }
    const { share } = reader;
    member.readers.delete(key);
    share.readers.delete(reader);
    this._waiting.delete(reader);
    if (this._catchUp?.reader === reader) {
      this._catchUp.stop();
    }
    if (share.readers.size === 0) {
      this._shares.delete(share.stream);
      this._connection.remove(share.stream);
    }
  }

  /** After each piece of the stream: send, and wait for tabs that have not taken enough. */
  private _afterPiece(): Promise<void> | null {
    this._members.forEach((_, member) => member.flush());
    if (!this._isHeldUp()) {
      return null;
    }
    return new Promise(resolve => {
      this._onRoom = resolve;
      this._cancelPatience = this._options.clock.after(PATIENCE_MS, () => {
        for (const member of this._members.keys()) {
          if (member.isFull) {
            this._leaveBehind(member);
          }
        }
        this._checkRoom();
      });
    });
  }

  private _leaveBehind(member: Member): void {
    for (const reader of member.fallBehind()) {
      if (this._catchUp?.reader === reader) {
        this._catchUp.stop();
      }
      this._enqueue(reader);
    }
  }

  private _isHeldUp(): boolean {
    return [...this._members.keys()].some(
      member =>
        member.isFull &&
        [...member.readers.values()].some(reader => reader.place === 'joined')
    );
  }

  private _checkRoom(): void {
    this._onTurnRoom?.();
    if (this._onRoom !== null && !this._isHeldUp()) {
      this._cancelPatience?.();
      this._onRoom();
      this._onRoom = null;
    }
  }

  /** Let a reader wait for its turn to be brought up to the connection. */
  private _enqueue(reader: Reader): void {
    reader.wait();
    this._waiting.add(reader);
    this._next();
  }

  /** Whose place is on the connection joins; of the others one at a time is brought up to it. */
  private _next(): void {
    for (const reader of this._waiting) {
      // A tab without room would hold up the connection at once.
      if (reader.member.hasRoom && reader.share.join(reader)) {
        this._waiting.delete(reader);
        reader.member.flush();
      }
    }
    if (this._catchUp !== null || this._waiting.size === 0) {
      return;
    }
    const now = this._options.clock.now();
    const able = [...this._waiting].filter(
      ({ share, member }) => share.isSettled && member.hasRoom
    );
    const reader = able.find(one => one.notBefore <= now);
    if (reader !== undefined) {
      void this._bringUp(reader);
    } else if (able.length > 0) {
      const waitMs = Math.min(...able.map(one => one.notBefore)) - now;
      this._cancelNext?.();
      this._cancelNext = this._options.clock.after(waitMs, () => this._next());
    }
  }

  private async _bringUp(reader: Reader): Promise<void> {
    const { clock } = this._options;
    this._waiting.delete(reader);
    const catchUp = new CatchUp(reader, {
      baseUrl: this._login.baseUrl,
      request: this._request,
      clock,
      isAwaited: () => this._waiting.size > 0,
      room: () => this._roomOf(reader.member)
    });
    this._catchUp = catchUp;
    const outcome: Outcome = await catchUp.run();
    this._catchUp = null;
    this._onTurnRoom = null;
    reader.member.flush();
    if (outcome === 'failed') {
      reader.notBefore = clock.now() + RETRY_MS;
    }
    // Not where its tab has left it, or has fallen behind, meanwhile.
    const isThere = reader.member.readers.get(reader.key) === reader;
    if (isThere && reader.place === 'catching-up') {
      this._enqueue(reader);
    }
    this._next();
  }

  /** When a tab that is brought up can be given more; `false` when it takes too long. */
  private _roomOf(member: Member): Promise<boolean> | null {
    if (!member.isFull) {
      return null;
    }
    return new Promise(resolve => {
      const cancel = this._options.clock.after(PATIENCE_MS, () =>
        resolve(false)
      );
      this._onTurnRoom = () => {
        if (!member.isFull) {
          cancel();
          resolve(true);
        }
      };
    });
  }

  /** A tab without a lock: gone when it has not been heard of for long. */
  private _watch(member: Member): () => void {
    const { clock } = this._options;
    let cancel = (): void => undefined;
    const look = (): void => {
      const silentMs = clock.now() - member.heardAt;
      if (silentMs >= SILENCE_MS) {
        member.post({ kind: 'dropped' });
        this.dismiss(member);
      } else {
        cancel = clock.after(SILENCE_MS - silentMs, look);
      }
    };
    look();
    return () => cancel();
  }

  private _tellState(state: ConnectionState): void {
    this._members.forEach((_, member) => member.post({ kind: 'state', state }));
  }

  private _details(): IHolderDetails {
    return {
      state: this._connection.state,
      lastEventId: this._connection.lastEventId,
      tabs: [...this._members.keys()].map(member => ({
        tab: member.tab,
        isVisible: member.isVisible,
        unacknowledged: member.unacknowledged,
        reads: [...member.readers.values()].map(({ share, place }) => ({
          stream: share.stream,
          place
        }))
      }))
    };
  }

  private _login: ILogin;
  private readonly _request: RequestFunction;
  private readonly _connection: StreamConnection;
  /** Each with what ends the watch over it. */
  private readonly _members = new Map<Member, () => void>();
  private readonly _shares = new Map<string, Share>();
  /** In the order in which they get their turn. */
  private readonly _waiting = new Set<Reader>();
  private _catchUp: CatchUp | null = null;
  private _cancelNext: (() => void) | null = null;
  private _onRoom: (() => void) | null = null;
  private _onTurnRoom: (() => void) | null = null;
  private _cancelPatience: (() => void) | null = null;
}
