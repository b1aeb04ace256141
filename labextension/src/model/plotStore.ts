import { chooseAxis, fillXs, isXKey, type XAxis, xOf } from './axis';
import { drawsLists, type IBlock } from './block';
import type { IEvent, IGap } from './event';
import { nameKey } from './kind';
import { MAX_GAPS, mergeGaps } from './losses';
import { isNumber, isNumberList } from './number';
import { Points } from './points';
import type { Fields, Value } from './value';

const MAX_SERIES = 1_000;
const MAX_VALUES = 2_000_000;
const MAX_FLAGS = 1_000;
/** Points that x may fall behind before the store takes it for a new beginning. */
const MAX_REWIND = 1_000;
const MAX_PAST = 3;

/** One line of a plot. */
export interface ISeries {
  readonly name: string;
  readonly points: Points;
  /** Earlier passes over the same x, the newest last: a step that began again at 0. */
  readonly past: readonly Points[];
  /** Whether the rules take the field for an x: it counts rather than measures. */
  readonly isCounter: boolean;
}

type MutableSeries = {
  -readonly [Key in keyof ISeries]: ISeries[Key];
};

/** Something worth a mark on the x axis: an event of type error, warning, mark or annotation. */
export interface IFlag {
  readonly x: number;
  readonly type: string;
  readonly text: string;
}

/** A stretch of x where events are missing. */
export interface IGapBand {
  /** The last x before it, `NaN` when nothing was there. */
  readonly from: number;
  /** The first x after it, `NaN` until there is one. */
  to: number;
  readonly gap: IGap;
}

/** What there is to draw. */
export interface IPlotData {
  /** The x axis, or `null` before the first numbers. */
  readonly axis: XAxis | null;
  /** The series in order of their appearance. */
  readonly series: readonly ISeries[];
  readonly flags: readonly IFlag[];
  readonly gaps: readonly IGapBand[];
  /** The newest x of all series, `NaN` when there is none. */
  readonly lastX: number;
}

/** What there was to draw at some time. */
export interface IStillPlot extends IPlotData {
  /** It is looked at no more. */
  release(): void;
}

/** The numeric series of a run over one x axis. */
export class PlotStore implements IPlotData {
  /**
   * @param wantedX - the x field the user chose, or `null`
   * @param maxPointsPerSeries - points kept of each series
   */
  constructor(
    readonly wantedX: string | null,
    private readonly _maxPointsPerSeries: number
  ) {}

  get axis(): XAxis | null {
    return this._axis;
  }

  get series(): readonly ISeries[] {
    return this._series;
  }

  get flags(): readonly IFlag[] {
    return this._flags;
  }

  get gaps(): readonly IGapBand[] {
    return this._gaps;
  }

  get lastX(): number {
    return this._lastX;
  }

  find(name: string): ISeries | undefined {
    return this._byName.get(name);
  }

  append(event: IEvent, value: Value): void {
    if (value.kind === 'text') {
      return;
    }
    const { value: json, fields, block } = value;
    if (isNumber(json)) {
      this._add(event, { value: json });
    } else if (isNumberList(json)) {
      this._add(event, { ...json });
    } else if (fields !== null) {
      if (block !== null && drawsLists(block, fields, this.wantedX)) {
        this._addBlock(event, fields, block);
      } else {
        this._add(event, fields);
      }
    }
  }

  flag(event: IEvent, text: string): void {
    const x = this._x({}, event);
    this._flags.push({ x, type: event.type, text });
    if (this._flags.length > MAX_FLAGS) {
      this._flags.shift();
    }
  }

  /** Break all lines: events are missing here. */
  gap(gap: IGap): void {
    for (const { points } of this._series) {
      if (points.length > 0) {
        points.push(points.lastX, NaN);
      }
    }
    this._gaps.push({ from: this._lastX, to: NaN, gap });
    if (this._gaps.length > MAX_GAPS) {
      const [first, second] = this._gaps;
      const merged = mergeGaps(first.gap, second.gap);
      this._gaps.splice(0, 2, { ...second, from: first.from, gap: merged });
    }
  }

  /** What there is to draw now; it stays as it is while the store goes on, until it is released. */
  still(): IStillPlot {
    const series = this._series.map(one => ({
      ...one,
      points: one.points.still()
    }));
    return {
      axis: this._axis,
      series,
      flags: [...this._flags],
      gaps: this._gaps.map(band => ({ ...band })),
      lastX: this._lastX,
      release: () => series.forEach(one => one.points.release())
    };
  }

  clear(): void {
    this._axis = null;
    this._series.length = 0;
    this._byName.clear();
    this._flags.length = 0;
    this._gaps.length = 0;
    this._lastX = NaN;
  }

  private _add(event: IEvent, fields: Fields): void {
    this._axis ??= chooseAxis(fields, this.wantedX);
    const axisKey = 'key' in this._axis ? this._axis.key : null;
    const x = this._x(fields, event);
    const prefix = nameKey(fields, null);
    let isDrawn = false;
    for (const key in fields) {
      const y = fields[key];
      // A number that cannot be drawn is missing, like null.
      const isMissing = y === null || typeof y === 'number';
      const isValue = isNumber(y) || (isMissing && this._byName.has(key));
      if (!isValue || key === axisKey) {
        continue;
      }
      const name = nameOf(fields, prefix, key);
      this._push(name, x, isNumber(y) ? y : NaN);
      isDrawn = true;
    }
    if (isDrawn) {
      this._advance(x, x);
    }
  }

  /** Add an event that holds many points; costs what its numbers cost, nothing for each point. */
  private _addBlock(event: IEvent, fields: Fields, block: IBlock): void {
    this._axis ??= chooseAxis(fields, this.wantedX, true);
    const { length } = block;
    const axisKey = 'key' in this._axis ? this._axis.key : null;
    if (this._blockX.length < length) {
      this._blockX = new Float64Array(length);
      this._blockY = new Float64Array(length);
    }
    const x = this._blockX.subarray(0, length);
    const y = this._blockY.subarray(0, length);
    fillXs(this._axis, fields, event, this._before, x);
    const { starts, greatest } = stretchesOf(x);
    const prefix = nameKey(fields, block);
    let isDrawn = false;
    for (const key of block.lists) {
      if (key === axisKey) {
        continue;
      }
      const isMissing = !fillYs(fields[key] as unknown[], y);
      const name = nameOf(fields, prefix, key, block.values.length);
      if (!isMissing || this._byName.has(name)) {
        this._pushAll(name, x, y, starts);
        isDrawn = true;
      }
    }
    if (isDrawn) {
      this._advance(x[0], greatest);
    }
  }

  private _x(fields: Fields, event: IEvent): number {
    const axis = this._axis ?? { kind: 'append' };
    return xOf(axis, fields, event) ?? this._before;
  }

  /** Without an x of its own a point stands with the one before it. */
  private get _before(): number {
    return Number.isNaN(this._lastX) ? 0 : this._lastX;
  }

  private _push(name: string, x: number, y: number): void {
    const series = this._seriesOf(name);
    if (series !== null) {
      this._beginAnew(series, x);
      series.points.push(x, y);
    }
  }

  /** @param starts - where a stretch of ascending x begins */
  private _pushAll(
    name: string,
    x: Float64Array,
    y: Float64Array,
    starts: readonly number[]
  ): void {
    const series = this._seriesOf(name);
    if (series === null) {
      return;
    }
    starts.forEach((start, i) => {
      const end = starts[i + 1] ?? x.length;
      this._beginAnew(series, x[start]);
      series.points.pushAll(x.subarray(start, end), y.subarray(start, end));
    });
  }

  /** @returns `null` when there are too many */
  private _seriesOf(name: string): MutableSeries | null {
    let series = this._byName.get(name);
    if (series === undefined) {
      if (this._series.length === MAX_SERIES) {
        return null;
      }
      series = {
        name,
        points: new Points(this._maxPointsPerSeries),
        past: [],
        isCounter: isXKey(name)
      };
      this._byName.set(name, series);
      this._series.push(series);
      const share = Math.floor(MAX_VALUES / 2 / this._series.length);
      const limit = Math.min(this._maxPointsPerSeries, share);
      this._series.forEach(({ points }) => (points.limit = limit));
    }
    return series;
  }

  /** A counter that starts again draws a new line, not one back across the chart. */
  private _beginAnew(series: MutableSeries, x: number): void {
    if (this._isNewBeginning(series, x)) {
      series.past = [...series.past, series.points].slice(-MAX_PAST);
      series.points = new Points(series.points.limit);
    }
  }

  private _isNewBeginning({ points }: ISeries, x: number): boolean {
    if (points.length < 2 || x >= points.lastX) {
      return false;
    }
    return x <= points.firstX || points.length - points.indexOf(x) > MAX_REWIND;
  }

  /** Something was drawn from `first` on, up to `last`. */
  private _advance(first: number, last: number): void {
    if (Number.isNaN(this._lastX) || last > this._lastX) {
      this._lastX = last;
    }
    for (let i = this._gaps.length - 1; i >= 0; i--) {
      if (!Number.isNaN(this._gaps[i].to)) {
        break;
      }
      this._gaps[i].to = first;
    }
  }

  private _axis: XAxis | null = null;
  private readonly _series: MutableSeries[] = [];
  private readonly _byName = new Map<string, MutableSeries>();
  private readonly _flags: IFlag[] = [];
  private readonly _gaps: IGapBand[] = [];
  private _lastX = NaN;
  /** The block at hand; kept, because the next one is as long. */
  private _blockX = new Float64Array(0);
  private _blockY = new Float64Array(0);
}

/**
 * The name of the line of a field.
 *
 * @param prefix - the field that names the event's lines, or `null`
 * @param values - how many lines the event has, counters left out, where that is known: the name alone tells the only one
 */
function nameOf(
  fields: Fields,
  prefix: string | null,
  key: string,
  values?: number
): string {
  if (prefix === null) {
    return key;
  }
  const text = fields[prefix] as string;
  const isOnly = (values ?? countValues(fields)) === 1 && !isXKey(key);
  return isOnly ? text : `${text} ${key}`;
}

function countValues(fields: Fields): number {
  return Object.keys(fields).filter(
    key => isNumber(fields[key]) && !isXKey(key)
  ).length;
}

/** Where x falls, and so each stretch of ascending x begins; and the greatest x. */
function stretchesOf(x: Float64Array): { starts: number[]; greatest: number } {
  const starts = [0];
  let greatest = x[0];
  for (let i = 1; i < x.length; i++) {
    if (x[i] < x[i - 1]) {
      starts.push(i);
    } else if (x[i] > greatest) {
      greatest = x[i];
    }
  }
  return { starts, greatest };
}

/** Copy a list; what cannot be drawn is missing. @returns whether anything is there */
function fillYs(list: readonly unknown[], y: Float64Array): boolean {
  let isAnyThere = false;
  for (let i = 0; i < y.length; i++) {
    const item = list[i];
    if (isNumber(item)) {
      y[i] = item;
      isAnyThere = true;
    } else {
      y[i] = NaN;
    }
  }
  return isAnyThere;
}

/** The band of a gap, or the one that it has become a part of. */
export function bandOf(
  bands: readonly IGapBand[],
  { after }: IGap
): IGapBand | undefined {
  return bands.filter(band => band.gap.after <= after).at(-1);
}
