import type { IPlotData, ISeries } from '../../model/plotStore';
import type { ILegendEntry } from '../legend';
import type { IViewHost } from '../view';
import type { ILine } from './chart';
import { rightSide } from './sides';
import type { Range } from './range';
import { extremes, YRange } from './yRange';

/** The sides of the lines are chosen anew when there are this many times more events. */
const RECONSIDER = 4;
const FIRST_EVENTS = 5;

/** Which series of a plot are drawn, with which look and on which of the two y axes. */
export class Lineup {
  constructor(
    private readonly _host: IViewHost,
    private readonly _store: () => IPlotData
  ) {}

  /** The series that could be drawn, the user's choice applied; the first ones when there are too many. */
  get drawable(): readonly ISeries[] {
    const { y, context } = this._host;
    const all = this._store().series;
    const wanted =
      y !== null
        ? all.filter(one => y.includes(one.name))
        : all.filter(one => !one.isCounter);
    // With nothing but counters those are what there is to see.
    const shown = wanted.length > 0 || y !== null ? wanted : all;
    return shown.slice(0, context.settings.maxSeriesDrawn);
  }

  /** Those of them that the user has not hidden. */
  get visible(): readonly ISeries[] {
    return this.drawable.filter(one => !this._host.hidden.has(one.name));
  }

  /** The legend, in the order of the lines. */
  entries(): ILegendEntry[] {
    const { drawable } = this;
    this._chooseSides(drawable);
    return drawable.map(({ name }, i) => ({
      name,
      style: this._host.context.theme.line(i),
      isHidden: this._host.hidden.has(name),
      isRight: this._right.has(name)
    }));
  }

  /** The visible lines as the chart draws them. */
  lines(): ILine[] {
    const { theme } = this._host.context;
    // A line keeps its colour when others are hidden.
    return this.drawable.flatMap(({ name, points, past }, i) =>
      this._host.hidden.has(name)
        ? []
        : [
            {
              points,
              past,
              style: theme.line(i),
              isRight: this._right.has(name)
            }
          ]
    );
  }

  /**
   * Fit a y axis to what its lines show.
   *
   * @returns `null` for a right axis without lines
   */
  fit(lines: readonly ILine[], isRight: boolean, x: Range): Range | null {
    const ours = lines.filter(line => line.isRight === isRight);
    if (isRight && ours.length === 0) {
      return null;
    }
    let low = Infinity;
    let high = -Infinity;
    for (const line of ours) {
      for (const points of [line.points, ...line.past]) {
        const [least, greatest] = extremes(points, x[0], x[1]);
        low = Math.min(low, least);
        high = Math.max(high, greatest);
      }
    }
    const range = isRight ? this._rightRange : this._leftRange;
    return range.fit(low, high, performance.now());
  }

  /** Sides are chosen while a run is young and seldom later: a line that changes its axis cannot be read. */
  private _chooseSides(series: readonly ISeries[]): void {
    const { isPaused } = this._host;
    const { events } = this._host.model;
    const names = series.map(one => one.name).join('\n');
    const isNew =
      names !== this._chosenFor.names || events < this._chosenFor.events;
    const isDue = !isPaused && events >= this._chosenFor.events * RECONSIDER;
    if (isNew || isDue) {
      this._chosenFor = { names, events: Math.max(events, FIRST_EVENTS) };
      this._right = rightSide(series);
      this._leftRange.reset();
      this._rightRange.reset();
    }
  }

  private readonly _leftRange = new YRange();
  private readonly _rightRange = new YRange();
  private _right: ReadonlySet<string> = new Set();
  private _chosenFor = { names: '', events: 0 };
}
