import type { IHolderOptions } from './exchange';
import type { ILocks } from './locks';
import { VERSION } from './message';
import { channelPort, portPair, type TabPort } from './port';
import { Switchboard } from './switchboard';
import type { IWay, IWayEvents } from './way';

/** What tabs call out to each other; the rest they say on a channel of two. */
type Call =
  | { readonly kind: 'lead' }
  | { readonly kind: 'knock'; readonly channel: string };

/**
 * Where there is no SharedWorker: the tab that holds a Web Lock holds the connection, too. When it closes, however it
 * does, another gets the lock, and the others turn to that one with what they have.
 *
 * @param tab - this tab's id
 */
export function leaderWay(
  baseUrl: string,
  tab: string,
  locks: ILocks,
  options: IHolderOptions
): IWay {
  const name = `jupyter_sse ${VERSION} ${baseUrl}`;
  return {
    name: 'leader',
    take: events => {
      const candidate = new Candidate(name, tab, locks, options, events);
      return () => candidate.leave();
    }
  };
}

class Candidate {
  constructor(
    private readonly _name: string,
    private readonly _tab: string,
    locks: ILocks,
    private readonly _options: IHolderOptions,
    private readonly _events: IWayEvents
  ) {
    this._door = new BroadcastChannel(_name);
    this._door.onmessage = event => this._hear(event.data as Call);
    this._release = locks.hold(`${_name} leader`, () => this._lead());
    this._knock();
  }

  leave(): void {
    this._door.close();
    this._knocking?.close();
    this._switchboard?.dispose();
    this._release();
  }

  private _hear(call: Call): void {
    if (call.kind === 'lead') {
      this._knock();
    } else if (this._switchboard !== null) {
      this._receive(this._switchboard, call.channel);
    }
  }

  /** Ask the leader, if there is one, for a channel. */
  private _knock(): void {
    if (this._switchboard !== null) {
      return;
    }
    this._knocking?.close();
    const channel = `${this._name} ${this._tab} ${++this._knocks}`;
    const port = channelPort<never, { kind: string }>(
      new BroadcastChannel(channel)
    );
    this._knocking = port;
    // The leader's first word; whatever it says next is for whoever listens then.
    port.listen(() => {
      this._knocking = null;
      this._events.found(port as unknown as TabPort, 'other-tab');
    });
    this._call({ kind: 'knock', channel });
  }

  private _lead(): void {
    const switchboard = new Switchboard(this._options);
    this._switchboard = switchboard;
    this._knocking?.close();
    const [port, holderPort] = portPair();
    switchboard.accept(holderPort);
    this._call({ kind: 'lead' });
    this._events.found(port, 'this-tab');
  }

  private _receive(switchboard: Switchboard, channel: string): void {
    const broadcast = new BroadcastChannel(channel);
    switchboard.accept(channelPort(broadcast));
    broadcast.postMessage({ kind: 'open' });
  }

  private _call(call: Call): void {
    this._door.postMessage(call);
  }

  private readonly _door: BroadcastChannel;
  private readonly _release: () => void;
  private _switchboard: Switchboard | null = null;
  /** A channel on which no leader has answered yet; from then on it is the tab's. */
  private _knocking: { close(): void } | null = null;
  private _knocks = 0;
}
