import type uPlot from 'uplot';

import type { IGap } from '../../model/event';
import { bandOf, type IPlotData, type IStillPlot } from '../../model/plotStore';
import { formatDuration, formatValue } from '../format';
import { Legend } from '../legend';
import { button, element } from '../node';
import type { IView, IViewHost } from '../view';
import { Chart, type IScene } from './chart';
import { complaintOf } from './complaint';
import { Lineup } from './lineup';
import type { Range } from './range';
import { around, type IExtent, Viewport } from './viewport';
import {
  ALL,
  defaultWidth,
  describeWidth,
  parseWidth,
  POINT_WIDTHS,
  TIME_WIDTHS
} from './window';

/** Legend values change at most this often, so that they can be read. */
const LEGEND_MS = 100;
/** The picture moves on when it would have moved by this much: device px. */
const STEP_PX = 0.5;
const ZOOM = 0.8;
/** A field that names a time counts as the present when it is this close to the append time. */
const PRESENT_MS = 60_000;

/** Lines over time or over a number. */
export class PlotView implements IView {
  constructor(private readonly _host: IViewHost) {
    this._lineup = new Lineup(_host, () => this._store);
    this.node.append(this._legend.node, this._canvas, this._notice);
    this._notice.hidden = true;
    this._canvas.tabIndex = 0;
    this._canvas.setAttribute('role', 'img');
    this._canvas.addEventListener('wheel', event => this._wheel(event), {
      passive: false
    });
    _host.context.theme.changed.connect(this._rebuild, this);
    _host.context.settingsChanged.connect(this._rebuild, this);
    void import('uplot').then(({ default: uPlotClass }) => {
      this._uPlot = uPlotClass;
      this._host.requestPaint();
    });
  }

  readonly node = element('div', 'jp-SseView-plot');
  readonly isCompact = false;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get leftAt(): number | null {
    return this._leftAt;
  }

  get isMoving(): boolean {
    return (
      !this._host.isPaused &&
      this._viewport.isFollowing &&
      this._store.axis !== null &&
      this._isLiveTime
    );
  }

  get windowMenu(): { label: string; choices: readonly string[] } {
    return {
      label: describeWidth(this._viewport.width),
      choices: this._isTime ? TIME_WIDTHS : POINT_WIDTHS
    };
  }

  wantsFrame(): boolean {
    if (this._isStale) {
      return true;
    }
    if (!this.isMoving || this._painted === null) {
      return false;
    }
    const range = this._viewport.range(this._extent());
    const [from, to] = this._painted.x;
    const pxPerX = (this._width * devicePixelRatio) / (to - from);
    return range !== null && (range[1] - to) * pxPerX >= STEP_PX;
  }

  paint(): void {
    this._isStale = false;
    if (this._uPlot === null || this._width <= 0) {
      return;
    }
    this._viewport.chosenWidth =
      this._host.window === null ? null : parseWidth(this._host.window);
    this._viewport.automaticWidth = this._automaticWidth();
    this._legend.update(this._lineup.entries());
    this._showNotice();
    const range = this._viewport.range(this._extent());
    if (range !== null) {
      const scene = this._scene(range);
      this._chart ??= this._makeChart(this._uPlot);
      // The legend wraps: what it leaves is the chart's.
      const height = this._height - this._legend.node.offsetHeight;
      this._chart.draw(scene, this._width, Math.max(height, 60));
      this._painted = scene;
    }
    if (!this._host.isPaused) {
      const { x } = this._host;
      this._still?.data.release();
      this._still = { x, data: this._host.model.plot(x).still() };
    }
    this._writeValues();
  }

  resize(width: number, height: number): void {
    this._width = Math.floor(width);
    this._height = Math.floor(height);
    this._stale();
  }

  goLive(): void {
    this._viewport.follow();
    this._leftAt = null;
    this._stale();
  }

  showGap(gap: IGap): void {
    const band = bandOf(this._store.gaps, gap);
    const shown = this._viewport.range(this._extent());
    const range = band && shown && around(band, shown);
    if (range) {
      this._leave(range);
    }
  }

  handleKey(event: KeyboardEvent): boolean {
    switch (event.key) {
      case '+':
      case '=':
        this._zoom(ZOOM, null);
        return true;
      case '-':
        this._zoom(1 / ZOOM, null);
        return true;
      case '[':
        this._pan(-0.25);
        return true;
      case ']':
        this._pan(0.25);
        return true;
      case '0':
        this._host.setWindow(null);
        this.goLive();
        return true;
      default:
        return this._toggleByNumber(event);
    }
  }

  describe(): string {
    const values = this._lineup.visible
      .slice(0, 8)
      .map(({ name, points }) => `${name} ${this._format(points.lastY, name)}`);
    const count = this._store.series.length;
    return `Plot of ${count} series, ${describeWidth(this._viewport.width).toLowerCase()}. ${values.join(', ')}.`;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._host.context.theme.changed.disconnect(this._rebuild, this);
      this._host.context.settingsChanged.disconnect(this._rebuild, this);
      this._chart?.destroy();
      this._still?.data.release();
      this._still = null;
      this.node.remove();
    }
  }

  /** What there is to show: while paused, what was painted last. */
  private get _store(): IPlotData {
    const { isPaused, x, model } = this._host;
    return isPaused && this._still?.x === x ? this._still.data : model.plot(x);
  }

  private get _isTime(): boolean {
    const kind = this._store.axis?.kind ?? 'append';
    return kind === 'append' || kind === 'time';
  }

  /** Whether the right edge of the axis is the present. */
  private get _isLiveTime(): boolean {
    const { model } = this._host;
    if (!this._isTime || model.end !== null) {
      return false;
    }
    return Math.abs(this._store.lastX - model.lastAt) < PRESENT_MS;
  }

  private _extent(): IExtent {
    const { lastX, series } = this._store;
    const now = this._host.model.serverClock.now();
    const edge = this._isLiveTime ? Math.max(now, lastX) : lastX;
    const isFrozen = this._host.isPaused && this._painted !== null;
    return {
      isTime: this._isTime,
      isLive: this._isLiveTime,
      edge: isFrozen ? this._painted!.x[1] : edge,
      series
    };
  }

  private _automaticWidth(): ReturnType<typeof defaultWidth> {
    const { model, context } = this._host;
    const set = parseWidth(context.settings.defaultWindow);
    if (set !== null) {
      return set;
    }
    // A run that is over is looked at as a whole.
    if (model.end !== null && !this._sawLive) {
      return ALL;
    }
    this._sawLive = true;
    return defaultWidth({
      isTime: this._isTime,
      earlyEvents: model.earlyEvents,
      events: model.events,
      ageMs: model.serverClock.now() - model.firstAt
    });
  }

  private _scene(x: Range): IScene {
    const lines = this._lineup.lines();
    const { gaps, flags } = this._store;
    return {
      x,
      left: this._lineup.fit(lines, false, x) ?? [0, 1],
      right: this._lineup.fit(lines, true, x),
      isTime: this._isTime,
      lines,
      gaps,
      flags,
      offline: this._offline()
    };
  }

  private _offline(): IScene['offline'] {
    const since = this._host.offlineSince;
    if (since === null || !this._isLiveTime) {
      return null;
    }
    const lasting = this._host.model.serverClock.now() - since;
    return { since, text: `disconnected ${formatDuration(lasting)}` };
  }

  private _showNotice(): void {
    const complaint = complaintOf(this._host, this._lineup, this._store);
    this._notice.hidden = complaint === null;
    this._canvas.style.visibility = complaint?.isEmpty ? 'hidden' : '';
    if (complaint !== null && this._notice.dataset.text !== complaint.text) {
      const { text, remedy } = complaint;
      this._notice.dataset.text = text;
      this._notice.replaceChildren(
        text,
        ...(remedy === null ? [] : [button(remedy.label, remedy.run)])
      );
    }
  }

  private _makeChart(uPlotClass: typeof uPlot): Chart {
    const { theme, settings, timeFormat } = this._host.context;
    return new Chart(
      uPlotClass,
      this._canvas,
      {
        colors: theme.colors,
        lineWidth: settings.lineWidth,
        numberFormat: settings.numberFormat,
        timeFormat
      },
      {
        onSelect: (range, reachesEdge) => this._select(range, reachesEdge),
        onDoubleClick: () => {
          this._host.setWindow(null);
          this.goLive();
        },
        onCursor: x => this._pointAt(x)
      }
    );
  }

  private _select(range: Range, reachesEdge: boolean): void {
    if (reachesEdge && this._viewport.isFollowing) {
      this._viewport.setSpan(this._extent(), range[1] - range[0]);
      this._keepWidth();
    } else {
      this._leave(range);
    }
  }

  private _leave(range: Range): void {
    this._viewport.detach(range);
    this._leftAt ??= this._host.model.events;
    this._stale();
  }

  private _zoom(factor: number, anchor: number | null): void {
    const extent = this._extent();
    const at = anchor ?? this._viewport.range(extent)?.[1] ?? extent.edge;
    this._viewport.zoom(extent, factor, at);
    this._keepWidth();
  }

  private _pan(share: number): void {
    this._viewport.pan(this._extent(), share);
    this._leftAt ??= this._host.model.events;
    this._stale();
  }

  /** Remember a width that came from zooming as if it had been chosen from the menu. */
  private _keepWidth(): void {
    const width = this._viewport.chosenWidth;
    if (width?.kind === 'time') {
      this._host.setWindow(`${Math.round(width.ms)} ms`);
    } else if (width?.kind === 'points') {
      this._host.setWindow(String(width.points));
    }
    this._stale();
  }

  private _wheel(event: WheelEvent): void {
    // A plain wheel scrolls the notebook, unless the user has clicked into the chart.
    const isOurs =
      event.ctrlKey || event.metaKey || document.activeElement === this._canvas;
    if (isOurs && event.deltaY !== 0) {
      event.preventDefault();
      event.stopPropagation();
      const factor = event.deltaY < 0 ? ZOOM : 1 / ZOOM;
      this._zoom(factor, this._chart?.xAt(event.clientX) ?? null);
    }
  }

  private _toggleByNumber(event: KeyboardEvent): boolean {
    const digit = /^Digit([1-9])$/.exec(event.code);
    const name = this._lineup.drawable[Number(digit?.[1]) - 1]?.name;
    if (name === undefined) {
      return false;
    }
    if (event.shiftKey) {
      this._solo(name);
    } else {
      this._toggle(name);
    }
    return true;
  }

  private _toggle(name: string): void {
    const hidden = new Set(this._host.hidden);
    if (!hidden.delete(name)) {
      hidden.add(name);
    }
    this._host.hideSeries(hidden);
  }

  /** Show one line alone, or all again when it already is. */
  private _solo(name: string): void {
    const others = this._lineup.drawable
      .map(one => one.name)
      .filter(other => other !== name);
    const isAlone = others.every(other => this._host.hidden.has(other));
    this._host.hideSeries(new Set(isAlone ? [] : others));
  }

  private _pointAt(x: number | null): void {
    this._cursorX = x;
    this._writtenAt = -Infinity;
    this._writeValues();
  }

  /** Write the values at the cursor, else the newest. */
  private _writeValues(): void {
    const now = performance.now();
    if (now - this._writtenAt < LEGEND_MS) {
      return;
    }
    this._writtenAt = now;
    const x = this._cursorX;
    this._legend.setValues(
      this._lineup.drawable.map(({ name, points }) => {
        if (x === null) {
          return this._format(points.lastY, name);
        }
        const index = nearest(points.x, points.indexOf(x), x);
        return this._format(points.y[index] ?? NaN, name);
      })
    );
    this._canvas.setAttribute('aria-label', this.describe());
  }

  private _format(value: number, name: string): string {
    return Number.isNaN(value)
      ? '–'
      : formatValue(value, name, this._host.context.settings.numberFormat);
  }

  private _rebuild(): void {
    this._chart?.destroy();
    this._chart = null;
    this._stale();
  }

  private _stale(): void {
    this._isStale = true;
    this._host.requestPaint();
  }

  private readonly _canvas = element('div', 'jp-SseView-chart');
  private readonly _notice = element('div', 'jp-SseView-bodyNotice');
  private readonly _legend = new Legend(
    name => this._toggle(name),
    name => this._solo(name)
  );
  private readonly _viewport = new Viewport();
  private readonly _lineup: Lineup;
  private _uPlot: typeof uPlot | null = null;
  private _chart: Chart | null = null;
  private _painted: IScene | null = null;
  private _still: { x: string | null; data: IStillPlot } | null = null;
  private _width = 0;
  private _height = 0;
  private _isStale = true;
  private _isDisposed = false;
  private _sawLive = false;
  private _leftAt: number | null = null;
  private _cursorX: number | null = null;
  private _writtenAt = -Infinity;
}

/** Of the points around `index` the one whose x is nearest. */
function nearest(xs: Float64Array, index: number, x: number): number {
  if (index === 0) {
    return 0;
  }
  return index < xs.length && xs[index] - x < x - xs[index - 1]
    ? index
    : index - 1;
}
