import { DisposableDelegate } from '@lumino/disposable';

import { type IClock, systemClock } from '../connection/clock';
import type { IConnection, IStreamLease, IStreams } from '../tokens';
import { DEFAULT_BOUNDS, type IBounds, StreamModel } from './stream';
import { ServerClock } from './time';

/** A stream that nobody views is read on for this long: running a cell again, or scrolling, loses nothing. */
const LINGER_MS = 5_000;

interface IEntry {
  readonly model: StreamModel;
  leases: number;
  cancelRemoval: (() => void) | null;
}

/** A lease whose model has all that views need. */
export interface IModelLease extends IStreamLease {
  readonly model: StreamModel;
}

/** The streams that this page reads: one model each, shared by all views of it. */
export class Streams implements IStreams {
  /**
   * @param connection - what brings the events; one for all
   * @param bounds - asked anew for each stream, so that settings apply to the next one
   */
  constructor(
    readonly connection: IConnection,
    private readonly _bounds: () => IBounds = () => DEFAULT_BOUNDS,
    private readonly _clock: IClock = systemClock
  ) {
    this.serverClock = new ServerClock(_clock);
  }

  readonly serverClock: ServerClock;

  names(): string[] {
    return [...this._entries.keys()];
  }

  peek(name: string): StreamModel | null {
    return this._entries.get(name)?.model ?? null;
  }

  /** @throws when no stream can have this name */
  lease(name: string): IModelLease {
    const entry = this._entries.get(name) ?? this._open(name);
    entry.cancelRemoval?.();
    entry.cancelRemoval = null;
    entry.leases++;
    const release = new DisposableDelegate(() => this._release(name, entry));
    return {
      model: entry.model,
      get isDisposed() {
        return release.isDisposed;
      },
      dispose: () => release.dispose()
    };
  }

  private _open(name: string): IEntry {
    const model = new StreamModel(
      name,
      this.serverClock,
      this._clock,
      this._bounds()
    );
    this.connection.add(name, model);
    const entry = { model, leases: 0, cancelRemoval: null };
    this._entries.set(name, entry);
    return entry;
  }

  private _release(name: string, entry: IEntry): void {
    entry.leases--;
    if (entry.leases === 0) {
      entry.cancelRemoval = this._clock.after(LINGER_MS, () => {
        this._entries.delete(name);
        this.connection.remove(name);
        entry.model.dispose();
      });
    }
  }

  private readonly _entries = new Map<string, IEntry>();
}
