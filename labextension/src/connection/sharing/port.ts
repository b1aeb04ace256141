import type { ToHolder, ToTab } from './message';

/** One end of the way between a tab and the holder of its connection. */
export interface IPort<Out, In> {
  post(message: Out): void;
  /** Be told what the other end says, from the first message on. Called once. */
  listen(hear: (message: In) => void): void;
  close(): void;
}

export type TabPort = IPort<ToHolder, ToTab>;
export type HolderPort = IPort<ToTab, ToHolder>;

/** The part that `MessagePort` and `BroadcastChannel` have in common. */
interface IChannel {
  onmessage: ((event: MessageEvent) => unknown) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** A port over a channel of the browser. What is said after it is closed nobody hears. */
export function channelPort<Out, In>(channel: IChannel): IPort<Out, In> {
  let isClosed = false;
  return {
    post: message => {
      if (!isClosed) {
        channel.postMessage(message);
      }
    },
    listen: hear => {
      channel.onmessage = event => hear(event.data as In);
    },
    close: () => {
      isClosed = true;
      channel.onmessage = null;
      channel.close();
    }
  };
}

/**
 * Two ports within one page, nothing copied.
 *
 * What one end posts the other hears before `post` returns: so a page that is its own holder reads no faster than its
 * views take.
 */
export function portPair(): [TabPort, HolderPort] {
  const toHolder = new End<ToHolder>();
  const toTab = new End<ToTab>();
  return [
    { post: m => toHolder.hear(m), ...toTab.asListener },
    { post: m => toTab.hear(m), ...toHolder.asListener }
  ];
}

/** Where one direction of a pair ends; keeps what comes before anybody listens. */
class End<T> {
  hear(message: T): void {
    if (this._hear === null) {
      this._early.push(message);
    } else {
      this._hear(message);
    }
  }

  get asListener(): Pick<IPort<never, T>, 'listen' | 'close'> {
    return {
      listen: hear => {
        this._hear = hear;
        this._early.splice(0).forEach(hear);
      },
      close: () => {
        this._hear = () => undefined;
      }
    };
  }

  private _hear: ((message: T) => void) | null = null;
  private readonly _early: T[] = [];
}
