import { type ISignal, Signal } from '@lumino/signaling';

import type { IClock } from '../connection/clock';
import type {
  IServerSentEvent,
  IStreamModel,
  IStreamSink,
  SuggestedKind
} from '../tokens';
import { pointsIn } from './block';
import { BoundedList } from './boundedList';
import { KindChooser } from './chooser';
import { type IEvent, type IGap, isFlagType } from './event';
import { LogStore } from './logStore';
import { type ILoss, Losses } from './losses';
import { PlotStore } from './plotStore';
import { type IRun, readEnd, readGap, readRun, type IEnd } from './run';
import { TableStore } from './tableStore';
import { AppendTimes, RateMeter, type ServerClock } from './time';
import {
  type Fields,
  isFields,
  readFields,
  readValue,
  type Value
} from './value';

/** What the page keeps of one stream; sizes in characters. */
export interface IBounds {
  readonly maxPointsPerSeries: number;
  readonly maxLogLines: number;
  readonly maxTableRows: number;
}

export const DEFAULT_BOUNDS: IBounds = {
  maxPointsPerSeries: 100_000,
  maxLogLines: 10_000,
  maxTableRows: 10_000
};

const MAX_LOG_CHARACTERS = 8 * 1024 * 1024;
const MAX_TABLE_CHARACTERS = 16 * 1024 * 1024;
/** The newest events as they came: what a view that is opened later starts with. */
const MAX_RECENT_EVENTS = 10_000;
const MAX_RECENT_CHARACTERS = 16 * 1024 * 1024;
const EARLY_MS = 5_000;

/** Whether the producer of a stream can be heard; `null` before the server said so. */
export type ProducerState = 'live' | 'lost' | null;

/**
 * One stream as the page knows it: its newest events within bounds, what happened to it, and what is missing.
 *
 * #### Notes
 * Events of the current run only: a new run starts afresh. The stores for plot, log and table are made when a view
 * first asks for them, from the newest events, and kept up to date from then on.
 */
export class StreamModel implements IStreamModel, IStreamSink {
  constructor(
    readonly name: string,
    readonly serverClock: ServerClock,
    private readonly _clock: IClock,
    private readonly _bounds: IBounds = DEFAULT_BOUNDS
  ) {
    this._times = new AppendTimes(serverClock);
    this._awaitedSince = _clock.now();
  }

  /** When this page began to wait for the first event of the run: unix ms of this machine. */
  get awaitedSince(): number {
    return this._awaitedSince;
  }

  /** The newest events as they came, within bounds. */
  readonly recent = new BoundedList<IEvent>(
    MAX_RECENT_EVENTS,
    MAX_RECENT_CHARACTERS
  );

  /** Emitted once for each portion of events that came from the server. */
  get changed(): ISignal<StreamModel, void> {
    return this._changed;
  }

  /** Grows with every change. */
  get version(): number {
    return this._version;
  }

  /** How often the stores were emptied: what was painted before counts no more. */
  get generation(): number {
    return this._generation;
  }

  get events(): number {
    return this._events;
  }

  get lost(): number {
    return this._losses.total.events;
  }

  /** All that is missing of the run. */
  get losses(): ILoss {
    return this._losses.total;
  }

  /** Where events are missing, oldest first; the oldest of very many are taken together. */
  get gaps(): readonly IGap[] {
    return this._losses.gaps;
  }

  get lastEventId(): string | null {
    return this._lastEventId;
  }

  get run(): number | null {
    return this._run?.run ?? null;
  }

  /** The run's producer and options, or `null` before the server told them. */
  get runInfo(): IRun | null {
    return this._run;
  }

  /** Why the stream has ended, or `null` while it may go on. */
  get end(): IEnd | null {
    return this._end;
  }

  get producer(): ProducerState {
    return this._producer;
  }

  /** Whether the server has said all that it held when asked. */
  get isReady(): boolean {
    return this._isReady;
  }

  /** How many are reading, or `null` when the server has not said. */
  get subscribers(): number | null {
    return this._subscribers;
  }

  /** Append time of the run's first event received: unix ms, `NaN` before it. */
  get firstAt(): number {
    return this._firstAt;
  }

  /** Append time of the newest event: unix ms, `NaN` before the first. */
  get lastAt(): number {
    return this._times.last;
  }

  /** Whether events of the run hold many points each. */
  get holdsBlocks(): boolean {
    return this._holdsBlocks;
  }

  /** How many events came within five seconds of the run's first. */
  get earlyEvents(): number {
    return this._earlyEvents;
  }

  /** The newest data, or `null`; flags are no data. */
  get last(): { readonly event: IEvent; readonly value: Value } | null {
    return this._last;
  }

  /** The view that fits the run. */
  get suggestedKind(): SuggestedKind | null {
    return this._chooser.kind;
  }

  /** What the newest events look like, when another view would fit them. */
  get hintedKind(): SuggestedKind | null {
    return this._chooser.hint;
  }

  /** Events per second on the server, now. */
  get rate(): number {
    return this._rate.rate(this.serverClock.now());
  }

  get seriesNames(): string[] {
    return this.plot(null).series.map(series => series.name);
  }

  points(series: string): { x: Float64Array; y: Float64Array } {
    const points = this.plot(null).find(series)?.points;
    return {
      x: points?.x.slice() ?? new Float64Array(0),
      y: points?.y.slice() ?? new Float64Array(0)
    };
  }

  /** The run's numbers over an x axis: a field of the events, or `null` for the one that the rules choose. */
  plot(x: string | null): PlotStore {
    let store = this._plots.get(x);
    if (store === undefined) {
      store = new PlotStore(x, this._bounds.maxPointsPerSeries);
      this._plots.set(x, store);
      this._refill(store);
    }
    return store;
  }

  get log(): LogStore {
    if (this._log === null) {
      this._log = new LogStore(this._bounds.maxLogLines, MAX_LOG_CHARACTERS);
      this._refill(this._log);
    }
    return this._log;
  }

  get table(): TableStore {
    if (this._table === null) {
      this._table = new TableStore(
        this._bounds.maxTableRows,
        MAX_TABLE_CHARACTERS
      );
      this._refill(this._table);
    }
    return this._table;
  }

  /** Read again from the start: nothing that came counts any more. */
  reset(): void {
    this._losses.clear();
    this._startAfresh();
    this._isReady = false;
    this._run = null;
    this._announce();
  }

  resume(): void {
    this._isReady = false;
    this._subscribers = null;
  }

  receive(events: readonly IServerSentEvent[]): void {
    for (const event of events) {
      if (event.type.startsWith('sse.')) {
        this._control(event.type, readFields(event.data));
      } else {
        this._append(event);
      }
    }
    this._announce();
  }

  dispose(): void {
    Signal.clearData(this);
  }

  private _control(type: string, data: Fields): void {
    switch (type) {
      case 'sse.time':
        this._mark(data.at);
        break;
      case 'sse.ping':
        if (typeof data.at === 'number') {
          this.serverClock.tell(data.at);
        }
        break;
      case 'sse.run':
        if (typeof data.run === 'number') {
          this._begin(readRun(data));
        }
        break;
      case 'sse.state':
        this._state(data);
        break;
      case 'sse.ready':
        this._isReady = true;
        this._readyVersion = this._version;
        break;
      case 'sse.gap':
        this._miss(readGap(data, this._events));
        break;
      case 'sse.end':
        this._finish(data);
        break;
    }
  }

  private _mark(at: unknown): void {
    if (typeof at === 'number') {
      this._times.mark(at);
      if (this._isReady) {
        this.serverClock.tell(at);
      }
    }
  }

  private _begin(run: IRun): void {
    const isSame =
      this._run !== null &&
      this._run.run === run.run &&
      this._run.producer?.kernel === run.producer?.kernel;
    if (this._run !== null && !isSame) {
      this._startAfresh();
    }
    this._run = run;
    this._end = null;
  }

  private _finish(data: Fields): void {
    // A replay tells the end right after the last event; only an end that is met live happens now.
    const told = typeof data.at === 'number' ? data.at : null;
    const isNow = this._isReady && this._readyVersion !== this._version;
    this._end = readEnd(
      data,
      told ?? (isNow ? this.serverClock.now() : this.lastAt)
    );
  }

  private _state(data: Fields): void {
    if (data.producer === 'live' || data.producer === 'lost') {
      this._producer = data.producer;
    }
    if (typeof data.subscribers === 'number') {
      this._subscribers = data.subscribers;
    }
  }

  private _miss(announced: IGap): void {
    this._tellGap(this._losses.add(announced));
  }

  private _tellGap(gap: IGap): void {
    this._plots.forEach(store => store.gap(gap));
    this._log?.gap(gap, this.lastAt);
    this._table?.gap(gap, this.lastAt);
  }

  private _append({ type, data, id }: IServerSentEvent): void {
    const value = readValue(data);
    const flag = flagText(type, value);
    const at = this._times.next(this._isReady);
    this._events++;
    this._losses.count(id);
    this._end = null;
    this._lastEventId = id ?? this._lastEventId;
    this._rate.count(at);
    if (this._events === 1) {
      this._firstAt = at;
    }
    if (at - this._firstAt <= EARLY_MS) {
      this._earlyEvents++;
    }
    if (flag === null) {
      const points = pointsIn(value);
      this._lastPoint += points;
      this._holdsBlocks ||= points > 1;
    }
    const event: IEvent = {
      ordinal: this._events,
      lastPoint: this._lastPoint,
      at,
      type,
      id,
      data
    };
    this.recent.push(event, data.length);
    this._store(event, value, flag);
  }

  private _store(event: IEvent, value: Value, flag: string | null): void {
    if (flag !== null) {
      this._plots.forEach(store => store.flag(event, flag));
    } else {
      this._last = { event, value };
      this._chooser.see(value, event.at);
      this._plots.forEach(store => store.append(event, value));
      this._table?.append(event, value);
    }
    this._log?.append(event, value);
  }

  /** Bring a new store up to what the page still has. */
  private _refill(store: PlotStore | LogStore | TableStore): void {
    const gaps = [...this.gaps];
    let at = NaN;
    const tellGaps = (before: number): void => {
      while (gaps.length > 0 && gaps[0].after < before) {
        store.gap(gaps.shift()!, at);
      }
    };
    for (const event of this.recent) {
      tellGaps(event.ordinal);
      const value = readValue(event.data);
      const flag = flagText(event.type, value);
      if (flag === null || store instanceof LogStore) {
        store.append(event, value);
      } else if (store instanceof PlotStore) {
        store.flag(event, flag);
      }
      at = event.at;
    }
    tellGaps(Infinity);
  }

  private _startAfresh(): void {
    // A gap that was told just before the new run is about the reader's return and stays.
    const { events } = this;
    this._losses.keep(gap => gap.after === events);
    this._generation++;
    this._awaitedSince = this._clock.now();
    this._events = 0;
    this._lastPoint = 0;
    this._holdsBlocks = false;
    this._earlyEvents = 0;
    this._firstAt = NaN;
    this._end = null;
    this._last = null;
    this._chooser = new KindChooser();
    this._times.clear();
    this._rate.clear();
    this.recent.clear();
    this._plots.forEach(store => store.clear());
    this._log?.clear();
    this._table?.clear();
    this.gaps.forEach(gap => this._tellGap(gap));
  }

  private _announce(): void {
    this._version++;
    this._changed.emit();
  }

  private readonly _changed = new Signal<StreamModel, void>(this);
  private readonly _times: AppendTimes;
  private readonly _rate = new RateMeter();
  private readonly _losses = new Losses();
  private readonly _plots = new Map<string | null, PlotStore>();
  private _log: LogStore | null = null;
  private _table: TableStore | null = null;
  private _chooser = new KindChooser();
  private _version = 0;
  private _generation = 0;
  private _awaitedSince: number;
  private _events = 0;
  private _lastPoint = 0;
  private _holdsBlocks = false;
  private _earlyEvents = 0;
  private _firstAt = NaN;
  private _lastEventId: string | null = null;
  private _last: { event: IEvent; value: Value } | null = null;
  private _run: IRun | null = null;
  private _end: IEnd | null = null;
  private _producer: ProducerState = null;
  private _isReady = false;
  private _readyVersion = -1;
  private _subscribers: number | null = null;
}

const FLAG_TEXT_KEYS = ['text', 'message', 'msg', 'label'];

/** The text of an event that is drawn as a flag, or `null` for one that is data. */
function flagText(type: string, value: Value): string | null {
  if (!isFlagType(type)) {
    return null;
  }
  if (value.kind === 'text') {
    return value.text;
  }
  const json = value.value;
  if (typeof json === 'string') {
    return json;
  }
  const text = isFields(json)
    ? FLAG_TEXT_KEYS.map(key => json[key]).find(one => typeof one === 'string')
    : undefined;
  return typeof text === 'string' ? text : null;
}
