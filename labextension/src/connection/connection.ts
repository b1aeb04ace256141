import type {
  ConnectionState,
  ICursor,
  IServerSentEvent,
  IStreamSink
} from '../tokens';
import { backoffMs } from './backoff';
import { readerOf } from './body';
import { type IClock, systemClock } from './clock';
import { parseObject } from './json';
import { nameError } from './name';
import { Parser } from './parser';
import { type IRefusal, refusalOf } from './refusal';
import { Subscription } from './subscription';

/** Silence after which the server is taken for gone, as a multiple of its ping interval. */
const PATIENCE = 2.5;
/** The server's default; what it really is shows in the silence before a ping. */
const PING_INTERVAL_MS = 15_000;
const MIN_PATIENCE_MS = 5_000;
const MAX_PATIENCE_MS = 300_000;
/** A connection that lasted this long was a good one: the next failure is the first. */
const STABLE_MS = 5_000;
/** Processing after which the page gets its turn; half a frame. */
const SLICE_MS = 8;
/** Streams beyond this length of the URL are added once connected; servers refuse long request heads. */
const MAX_QUERY_LENGTH = 8_000;

/** Ask the server; the caller adds the login. */
export type RequestFunction = (
  url: string,
  init: RequestInit
) => Promise<Response>;

export interface IStreamConnectionOptions {
  /** The server's base URL, with a slash at its end. */
  readonly baseUrl: string;
  readonly request: RequestFunction;
  /** @defaultValue the browser's clock */
  readonly clock?: IClock;
  /** Is told each new state. */
  readonly onState?: (state: ConnectionState) => void;
  /**
   * Called when the sinks have got what one piece of the stream held; `null`, or when to read on. Until then the server
   * keeps what follows.
   */
  readonly onDelivered?: () => Promise<void> | null;
}

/**
 * One connection for many streams: opens it for the first, closes it after the last, and comes back after every loss
 * with a cursor for each stream.
 *
 * #### Notes
 * Knows neither Jupyter nor a page: it runs as it is in a page and in a worker.
 */
export class StreamConnection {
  constructor(options: IStreamConnectionOptions) {
    this._baseUrl = options.baseUrl;
    this._request = options.request;
    this._clock = options.clock ?? systemClock;
    this._onState = options.onState ?? (() => undefined);
    this._onDelivered = options.onDelivered ?? (() => null);
  }

  get state(): ConnectionState {
    return this._state;
  }

  /** The position up to which everything has been received, or `null`. */
  get lastEventId(): string | null {
    return this._lastEventId;
  }

  /**
   * Read a stream; connects when it is the first.
   *
   * @param cursor - how far the sink has come before, or `null`: read from the earliest event
   * @throws when no stream can have this name
   */
  add(stream: string, sink: IStreamSink, cursor: ICursor | null = null): void {
    const error = nameError(stream);
    if (error !== null) {
      throw new Error(error);
    }
    this._subscriptions.set(stream, new Subscription(stream, sink, cursor));
    if (this._state.kind === 'idle') {
      // Not at once: the other views of a page that opens join the same request.
      this._setState({ kind: 'connecting' });
      this._cancelRetry = this._clock.after(0, () => this._connect());
    } else {
      this._scheduleChange();
    }
  }

  /** Read a stream no more; the last one closes the connection. */
  remove(stream: string): void {
    this._subscriptions.delete(stream);
    if (this._subscriptions.size === 0) {
      this._hangUp();
      this._lastEventId = null;
      this._setState({ kind: 'idle' });
    } else {
      this._scheduleChange();
    }
  }

  /** Do not wait for the next try. */
  retryNow(): void {
    const isResting = !['idle', 'connecting', 'open'].includes(
      this._state.kind
    );
    if (isResting && this._subscriptions.size > 0) {
      this._connect();
    }
  }

  /** Look whether the connection is still alive, e.g. after the machine was asleep. */
  check(): void {
    if (this._state.kind === 'open') {
      this._watch(this._patienceMs / 2);
    } else if (this._state.kind !== 'busy') {
      this.retryNow();
    }
  }

  /** Close it; nobody is told anything any more. */
  dispose(): void {
    this._hangUp();
    this._subscriptions.clear();
  }

  /** Open a new connection with every stream, each from where it stands. */
  private _connect(): void {
    this._hangUp();
    this._setState({ kind: 'connecting' });
    const abort = new AbortController();
    this._abort = abort;
    this._lastBytesAt = this._clock.now();
    this._watch(this._patienceMs);
    void this._run(this._openingUrl(), abort.signal);
  }

  private _openingUrl(): string {
    let query = 'control=1';
    for (const subscription of this._subscriptions.values()) {
      const cursor = subscription.resume(
        this._lastEventId,
        this._lastEventOrdinal
      );
      const parameter = `&stream=${encodeURIComponent(cursor)}`;
      const isFirst = this._joined.size === 0;
      if (isFirst || query.length + parameter.length <= MAX_QUERY_LENGTH) {
        query += parameter;
        this._joined.set(subscription.stream, subscription);
      }
    }
    return `${this._baseUrl}sse?${query}`;
  }

  /** Live through one connection; never rejects. */
  private async _run(url: string, signal: AbortSignal): Promise<void> {
    const startedAt = this._clock.now();
    let refusal: IRefusal;
    try {
      const response = await this._request(url, {
        method: 'GET',
        headers: { Accept: 'text/event-stream' },
        // JupyterLab appends a number to URLs with `no-store`; the server forbids storing anyway.
        cache: 'no-cache',
        redirect: 'error',
        signal
      });
      const refused = await refusalOf(response, this._clock.now());
      if (refused === null && response.body !== null) {
        await this._read(response.body, signal);
      }
      refusal = refused ?? { kind: 'waiting', message: '', afterMs: null };
    } catch (error) {
      refusal = { kind: 'waiting', message: String(error), afterMs: null };
    }
    if (!signal.aborted) {
      this._lost(refusal, this._clock.now() - startedAt);
    }
  }

  private async _read(
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal
  ): Promise<void> {
    const parser = new Parser({
      onEvent: event => this._route(event),
      onId: id => {
        this._lastEventId = id;
        this._lastEventOrdinal = ++this._ordinal;
      },
      onRetry: retryMs => {
        this._retryMs = retryMs;
      }
    });
    const reader = readerOf(body, signal);
    let busyMs = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) {
        return;
      }
      this._silenceMs = this._clock.now() - this._lastBytesAt;
      this._lastBytesAt = this._clock.now();
      if (this._state.kind !== 'open') {
        this._setState({ kind: 'open' });
      }
      try {
        parser.feed(value);
      } finally {
        this._deliver();
      }
      busyMs += this._clock.now() - this._lastBytesAt;
      if (busyMs > SLICE_MS) {
        await this._clock.breathe();
        busyMs = 0;
      }
      await this._rest();
      if (signal.aborted) {
        return;
      }
    }
  }

  /** Let those who read take their time; the server is not to blame for the silence. */
  private async _rest(): Promise<void> {
    const room = this._onDelivered();
    if (room !== null) {
      await room;
      this._lastBytesAt = this._clock.now();
    }
  }

  private _route(event: IServerSentEvent): void {
    this._ordinal++;
    // A stream's name holds no colon and may begin with sse., its event types may hold colons.
    const colon = event.type.indexOf(':');
    if (colon === -1 && event.type.startsWith('sse.')) {
      this._routeControl(event);
      return;
    }
    const subscription = this._current(event.type.slice(0, colon));
    subscription?.push(
      {
        type: event.type.slice(colon + 1),
        data: event.data,
        id: event.id
      },
      this._ordinal
    );
  }

  private _routeControl(event: IServerSentEvent): void {
    const data = parseObject(event.data);
    if (event.type === 'sse.open' && typeof data.connection === 'string') {
      this._connectionId = data.connection;
      this._scheduleChange();
    }
    if (event.type === 'sse.ping') {
      this._setPatience(PATIENCE * this._silenceMs);
    }
    if (typeof data.stream === 'string') {
      this._current(data.stream)?.push(event, this._ordinal);
    } else {
      for (const subscription of this._joined.values()) {
        this._current(subscription.stream)?.push(event, this._ordinal);
      }
    }
  }

  /** The subscription that the server is serving under this name; late events of a removed one find none. */
  private _current(stream: string): Subscription | undefined {
    const joined = this._joined.get(stream);
    return joined === this._subscriptions.get(stream) ? joined : undefined;
  }

  private _deliver(): void {
    for (const subscription of this._joined.values()) {
      if (this._current(subscription.stream) !== undefined) {
        subscription.deliver(this._lastEventId, this._lastEventOrdinal);
      }
    }
  }

  private _lost(refusal: IRefusal, lastedMs: number): void {
    this._hangUp();
    const now = this._clock.now();
    if (refusal.kind !== 'waiting' && refusal.kind !== 'busy') {
      this._setState({ kind: refusal.kind, message: refusal.message });
      return;
    }
    this._failures = lastedMs >= STABLE_MS ? 0 : this._failures;
    const delayMs =
      refusal.afterMs ??
      backoffMs(this._failures, this._retryMs, this._clock.random());
    this._failures++;
    this._cancelRetry = this._clock.after(delayMs, () => this._connect());
    this._setState({
      kind: refusal.kind,
      message: refusal.message,
      retryAt: now + delayMs,
      since: this._lostAt ?? now
    });
  }

  /** Reconnect when nothing has been heard for `patienceMs`; otherwise look again in time. */
  private _watch(patienceMs: number): void {
    this._cancelWatch?.();
    const silentMs = this._clock.now() - this._lastBytesAt;
    if (silentMs >= patienceMs) {
      // Should this server's pings be further apart, then the next connection lives to see one.
      this._setPatience(this._patienceMs * 2);
      this._lost(
        { kind: 'waiting', message: 'The server fell silent.', afterMs: 0 },
        silentMs
      );
      return;
    }
    this._cancelWatch = this._clock.after(
      Math.max(this._patienceMs - silentMs, 1),
      () => this._watch(this._patienceMs)
    );
  }

  private _setPatience(ms: number): void {
    this._patienceMs = Math.min(Math.max(ms, MIN_PATIENCE_MS), MAX_PATIENCE_MS);
  }

  /** Tell the server, in one request, what was added and removed since it last heard. */
  private _scheduleChange(): void {
    if (this._connectionId !== null && this._cancelChange === null) {
      this._cancelChange = this._clock.after(0, () => {
        void this._change();
      });
    }
  }

  private async _change(): Promise<void> {
    const add: Subscription[] = [];
    const remove: string[] = [];
    for (const [stream, subscription] of this._joined) {
      const wanted = this._subscriptions.get(stream);
      if (wanted === undefined) {
        remove.push(stream);
      } else if (wanted !== subscription) {
        this._connect();
        return;
      }
    }
    for (const subscription of this._subscriptions.values()) {
      if (!this._joined.has(subscription.stream)) {
        add.push(subscription);
      }
    }
    if (add.some(({ stream }) => this._left.has(stream))) {
      this._connect();
      return;
    }
    if (add.length + remove.length > 0) {
      const abort = this._abort;
      const isChanged = await this._post(add, remove);
      if (abort !== this._abort) {
        return;
      }
      this._cancelChange = null;
      if (isChanged) {
        // More may have been added or removed meanwhile.
        this._scheduleChange();
      } else {
        this._connect();
      }
      return;
    }
    this._cancelChange = null;
  }

  private async _post(add: Subscription[], remove: string[]): Promise<boolean> {
    const cursors = add.map(subscription =>
      subscription.resume(this._lastEventId, this._lastEventOrdinal)
    );
    // Before the answer, because the first events may overtake it.
    add.forEach(one => this._joined.set(one.stream, one));
    remove.forEach(stream => {
      this._joined.delete(stream);
      this._left.add(stream);
    });
    const url = `${this._baseUrl}api/sse/connections/${encodeURIComponent(this._connectionId ?? '')}`;
    try {
      const response = await this._request(url, {
        method: 'POST',
        body: JSON.stringify({ add: cursors, remove }),
        redirect: 'error'
      });
      return response.ok;
    } catch {
      return false;
    }
  }

  /** Close what is open and stop what is planned; the streams and their cursors stay. */
  private _hangUp(): void {
    if (this._state.kind === 'open') {
      this._lostAt = this._clock.now();
    }
    this._abort?.abort();
    this._cancelRetry?.();
    this._cancelWatch?.();
    this._cancelChange?.();
    this._abort = null;
    this._cancelRetry = null;
    this._cancelWatch = null;
    this._cancelChange = null;
    this._connectionId = null;
    this._joined.clear();
    this._left.clear();
  }

  private _setState(state: ConnectionState): void {
    if (state.kind === 'open' || state.kind === 'idle') {
      this._lostAt = null;
    }
    this._state = state;
    this._onState(state);
  }

  private readonly _baseUrl: string;
  private readonly _request: RequestFunction;
  private readonly _clock: IClock;
  private _patienceMs = PATIENCE * PING_INTERVAL_MS;
  private readonly _onState: (state: ConnectionState) => void;
  private readonly _onDelivered: () => Promise<void> | null;
  private _state: ConnectionState = { kind: 'idle' };

  /** What is wanted. */
  private readonly _subscriptions = new Map<string, Subscription>();
  /** What the server has been told for the connection under way. */
  private readonly _joined = new Map<string, Subscription>();
  /**
   * What was read over the connection under way and is no more. Late events of it may be on their way: should it be
   * wanted again, they would count as new. A new connection tells them apart.
   */
  private readonly _left = new Set<string>();
  private _connectionId: string | null = null;

  private _lastEventId: string | null = null;
  private _lastEventOrdinal = -1;
  private _ordinal = 0;

  private _abort: AbortController | null = null;
  private _cancelRetry: (() => void) | null = null;
  private _cancelWatch: (() => void) | null = null;
  private _cancelChange: (() => void) | null = null;
  private _retryMs: number | null = null;
  private _failures = 0;
  private _lastBytesAt = 0;
  private _silenceMs = 0;
  private _lostAt: number | null = null;
}
