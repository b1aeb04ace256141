import type { IServerSentEvent } from '../../tokens';
import { readerOf } from '../body';
import type { IClock } from '../clock';
import type { RequestFunction } from '../connection';
import { Overlap } from '../overlap';
import { Parser } from '../parser';
import { numberIn } from '../position';
import { Progress } from '../progress';
import { refusalOf } from '../refusal';
import type { Reader } from './reader';
import type { IStand } from './share';

/** Where others wait for their turn, one lasts this long at most. */
const TURN_MS = 2_000;
/** Silence after which the server is taken for gone. */
const PATIENCE_MS = 40_000;

/** How it went: the reader has joined, or goes on later from where it is. */
export type Outcome = 'joined' | 'interrupted' | 'failed';

export interface ICatchUpOptions {
  readonly baseUrl: string;
  readonly request: RequestFunction;
  readonly clock: IClock;
  /** Whether others wait for their turn. */
  readonly isAwaited: () => boolean;
  /** What to wait for before more is read for this tab, or `null`; resolves to `false` where the tab takes too long. */
  readonly room: () => Promise<boolean> | null;
}

/**
 * Brings one reader up to the connection: reads its stream alone, from where the reader is, and lets it join where the two
 * meet.
 *
 * Alone, a replay has a position at each event: it can be broken off anywhere without losing its place. It lasts as
 * long as the history takes, and there is one at a time: beside the one connection that stays, a browser never has more
 * than this one.
 */
export class CatchUp {
  constructor(
    readonly reader: Reader,
    private readonly _options: ICatchUpOptions
  ) {
    this._startedAt = _options.clock.now();
  }

  /** Break off; the reader keeps its place. */
  stop(): void {
    this._abort.abort();
  }

  /** Never rejects. */
  async run(): Promise<Outcome> {
    const { reader } = this;
    reader.place = 'catching-up';
    this._stand = reader.share.stand;
    if (reader.cursor !== null) {
      reader.resume();
      this._overlap = new Overlap(reader.cursor);
    } else if (!reader.isFresh) {
      reader.reset();
    }
    this._progress = new Progress(reader.cursor);
    try {
      return await this._read(await this._open());
    } catch {
      return this._abort.signal.aborted ? 'interrupted' : 'failed';
    } finally {
      this._cancelPatience();
      this._abort.abort();
    }
  }

  private _open(): Promise<Response> {
    const { cursor, share } = this.reader;
    const path = share.stream.split('/').map(encodeURIComponent).join('/');
    const query = new URLSearchParams({ control: '1', ids: 'position' });
    if (cursor !== null) {
      query.set('last_event_id', cursor.position);
    }
    this._renewPatience();
    return this._options.request(
      `${this._options.baseUrl}sse/${path}?${query.toString()}`,
      {
        method: 'GET',
        headers: { Accept: 'text/event-stream' },
        cache: 'no-cache',
        redirect: 'error',
        signal: this._abort.signal
      }
    );
  }

  private async _read(response: Response): Promise<Outcome> {
    const { clock } = this._options;
    if (response.status === 404 && this.reader.cursor === null) {
      // No stream, so nothing that the reader could miss.
      this._isReady = true;
      return this._meets() ? 'joined' : 'failed';
    }
    const refusal = await refusalOf(response, clock.now());
    if (refusal !== null || response.body === null) {
      return 'failed';
    }
    const parser = new Parser({
      onEvent: event => this._take(event),
      onId: () => undefined,
      onRetry: () => undefined
    });
    const body = readerOf(response.body, this._abort.signal);
    for (;;) {
      const { done, value } = await body.read();
      if (this._abort.signal.aborted) {
        return 'interrupted';
      }
      if (done) {
        return 'failed';
      }
      this._renewPatience();
      parser.feed(value);
      this._deliver();
      if (this._meets()) {
        return 'joined';
      }
      if (!(await this._mayGoOn())) {
        return 'interrupted';
      }
    }
  }

  private async _mayGoOn(): Promise<boolean> {
    const { clock, isAwaited, room } = this._options;
    const isOver = isAwaited() && clock.now() - this._startedAt >= TURN_MS;
    // Where the connection began anew, it has to be met anew.
    const isOld = this.reader.share.stand.lives !== this._stand.lives;
    if (isOver || isOld) {
      return false;
    }
    const waits = room();
    const hasRoom = waits === null || (await waits);
    return hasRoom && !this._abort.signal.aborted;
  }

  private _take(event: IServerSentEvent): void {
    const kept = this._overlap === null ? event : this._overlap.take(event);
    if (kept === null) {
      this._pass(event);
      return;
    }
    if (kept === 'unknown') {
      this._deliver();
      this._overlap = null;
      this.reader.reset();
      this._progress.cursor &&= {
        ...this._progress.cursor,
        beyond: 0,
        n: null
      };
    }
    const taken = kept === 'unknown' ? event : kept;
    this._batch.push(taken);
    this._isReady ||= taken.type === 'sse.ready';
    this._progress.take(taken);
  }

  /** Of what the reader has got before, too, each event has its position here. */
  private _pass({ id, type }: IServerSentEvent): void {
    if (id !== null && !type.startsWith('sse.')) {
      const beyond = this._overlap?.left ?? 0;
      this._progress.cursor = { position: id, beyond, n: numberIn(id) };
    }
  }

  private _deliver(): void {
    const { reader } = this;
    const { cursor } = this._progress;
    if (this._batch.length > 0 || cursor !== reader.cursor) {
      reader.receive(this._batch, cursor);
      this._batch = [];
      reader.member.flush();
    }
  }

  /** Whether the reader has joined: it has all that the server had, and the connection brings nothing less. */
  private _meets(): boolean {
    const { reader } = this;
    const { share } = reader;
    return this._isReady && share.join(reader, share.isWhereItWas(this._stand));
  }

  private _renewPatience(): void {
    this._cancelPatience();
    this._cancelPatience = this._options.clock.after(PATIENCE_MS, () =>
      this.stop()
    );
  }

  private readonly _abort = new AbortController();
  private readonly _startedAt: number;
  private _stand: IStand = { events: 0, lives: 0 };
  private _overlap: Overlap | null = null;
  private _isReady = false;
  private _batch: IServerSentEvent[] = [];
  /** How far the reader has come with the batch. */
  private _progress = new Progress(null);
  private _cancelPatience: () => void = () => undefined;
}
