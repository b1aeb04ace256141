import { chooseAxis, isXKey, type XAxis, xOf } from './axis';
import type { IEvent, IGap } from './event';
import { nameKey } from './kind';
import { MAX_GAPS, mergeGaps } from './losses';
import { Points } from './points';
import {
  type Fields,
  flatten,
  isFields,
  isNumber,
  isNumberList,
  type Value
} from './value';

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
    const json = value.value;
    if (isNumber(json)) {
      this._add(event, { value: json });
    } else if (isNumberList(json)) {
      this._add(event, { ...json });
    } else if (isFields(json)) {
      this._add(event, flatten(json));
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

  /** What there is to draw now; it stays as it is while the store goes on. */
  still(): IPlotData {
    return {
      axis: this._axis,
      series: this._series.map(one => ({
        ...one,
        points: one.points.still()
      })),
      flags: [...this._flags],
      gaps: this._gaps.map(band => ({ ...band })),
      lastX: this._lastX
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
    const prefix = nameKey(fields);
    let isDrawn = false;
    for (const key in fields) {
      const y = fields[key];
      // A number that cannot be drawn is missing, like null.
      const isMissing = y === null || typeof y === 'number';
      const isValue = isNumber(y) || (isMissing && this._byName.has(key));
      if (!isValue || key === axisKey) {
        continue;
      }
      const name = prefix === null ? key : this._prefixed(fields, prefix, key);
      this._push(name, x, isNumber(y) ? y : NaN);
      isDrawn = true;
    }
    if (isDrawn) {
      this._advance(x);
    }
  }

  private _prefixed(fields: Fields, prefix: string, key: string): string {
    const text = fields[prefix] as string;
    const numbers = Object.keys(fields).filter(
      other => isNumber(fields[other]) && !isXKey(other)
    );
    return numbers.length === 1 ? text : `${text} ${key}`;
  }

  private _x(fields: Fields, event: IEvent): number {
    const axis = this._axis ?? { kind: 'append' };
    const x = xOf(axis, fields, event.at, event.ordinal);
    // Without an x of its own a point stands with the one before it.
    return x ?? (Number.isNaN(this._lastX) ? 0 : this._lastX);
  }

  private _push(name: string, x: number, y: number): void {
    let series = this._byName.get(name);
    if (series === undefined) {
      if (this._series.length === MAX_SERIES) {
        return;
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
    if (this._isNewBeginning(series, x)) {
      // A counter that starts again draws a new line, not one back across the chart.
      series.past = [...series.past, series.points].slice(-MAX_PAST);
      series.points = new Points(series.points.limit);
    }
    series.points.push(x, y);
  }

  private _isNewBeginning({ points }: ISeries, x: number): boolean {
    if (points.length < 2 || x >= points.lastX) {
      return false;
    }
    return x <= points.firstX || points.length - points.indexOf(x) > MAX_REWIND;
  }

  private _advance(x: number): void {
    if (Number.isNaN(this._lastX) || x > this._lastX) {
      this._lastX = x;
    }
    for (let i = this._gaps.length - 1; i >= 0; i--) {
      if (!Number.isNaN(this._gaps[i].to)) {
        break;
      }
      this._gaps[i].to = x;
    }
  }

  private _axis: XAxis | null = null;
  private readonly _series: MutableSeries[] = [];
  private readonly _byName = new Map<string, MutableSeries>();
  private readonly _flags: IFlag[] = [];
  private readonly _gaps: IGapBand[] = [];
  private _lastX = NaN;
}

/** The band of a gap, or the one that it has become a part of. */
export function bandOf(
  bands: readonly IGapBand[],
  { after }: IGap
): IGapBand | undefined {
  return bands.filter(band => band.gap.after <= after).at(-1);
}
