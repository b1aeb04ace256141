import type uPlot from 'uplot';

import type { Snapshot } from '../model/snapshot';
import type { IViewContext } from './context';
import { formatCount, formatValue } from './format';
import { Legend } from './legend';
import { element } from './node';
import { Chart, type IScene } from './plot/chart';
import { drawable, type Range } from './plot/range';
import { extremes, YRange } from './plot/yRange';
import { rightSide } from './plot/sides';

/** The picture that a notebook was saved with: it stands still. */
export class SnapshotView {
  constructor(
    private readonly _snapshot: Snapshot,
    private readonly _context: IViewContext
  ) {
    this.node.append(...this._content());
  }

  readonly node = element('div', 'jp-SseView-snapshot');

  /** Whether it needs the height of a chart. */
  get isTall(): boolean {
    return this._snapshot.kind === 'plot';
  }

  /** Draw into this room: CSS px. */
  paint(width: number, height: number): void {
    if (this._snapshot.kind !== 'plot' || width <= 0) {
      return;
    }
    if (this._uPlot === null) {
      void import('uplot').then(({ default: uPlotClass }) => {
        this._uPlot = uPlotClass;
        this.paint(width, height);
      });
      return;
    }
    const scene = this._scene(this._snapshot);
    if (scene !== null) {
      const { theme, settings, timeFormat } = this._context;
      this._chart?.destroy();
      this._chart = new Chart(
        this._uPlot,
        this._canvas,
        {
          colors: theme.colors,
          lineWidth: settings.lineWidth,
          numberFormat: settings.numberFormat,
          timeFormat
        },
        {
          onSelect: () => undefined,
          onDoubleClick: () => undefined,
          onCursor: () => undefined
        }
      );
      const rest = height - this._legend.node.offsetHeight;
      this._chart.draw(scene, Math.floor(width), Math.max(rest, 60));
    }
  }

  dispose(): void {
    this._chart?.destroy();
    this.node.remove();
  }

  private _content(): HTMLElement[] {
    const snapshot = this._snapshot;
    switch (snapshot.kind) {
      case 'plot':
        this._canvas.setAttribute('role', 'img');
        this._canvas.setAttribute(
          'aria-label',
          `Saved plot of ${snapshot.series.map(one => one.name).join(', ')}`
        );
        return [this._legend.node, this._canvas];
      case 'table':
        return [table(snapshot.columns, snapshot.rows)];
      case 'progress':
        return [element('div', 'jp-SseView-savedText', progress(snapshot))];
      default:
        return [
          element('div', 'jp-SseView-savedText', snapshot.lines.join('\n'))
        ];
    }
  }

  private _scene(snapshot: Extract<Snapshot, { kind: 'plot' }>): IScene | null {
    const { theme } = this._context;
    const series = snapshot.series.map(one => ({
      ...one,
      past: [],
      isCounter: false
    }));
    const firsts = series.map(one => one.points.firstX);
    const lasts = series.map(one => one.points.lastX);
    if (series.length === 0) {
      return null;
    }
    const right = rightSide(series);
    const x = [Math.min(...firsts), Math.max(...lasts)] as const;
    const range = drawable(x[0] < x[1] ? x : [x[0] - 1, x[1] + 1]);
    const lines = series.map(({ name, points }, i) => ({
      name,
      points,
      past: [],
      style: theme.line(i),
      isRight: right.has(name)
    }));
    this._legend.update(
      lines.map(({ name, style, isRight }) => ({
        name,
        style,
        isRight,
        isHidden: false
      }))
    );
    this._legend.setValues(
      lines.map(({ name, points }) =>
        formatValue(points.lastY, name, this._context.settings.numberFormat)
      )
    );
    const fit = (isRight: boolean): Range => {
      const ends = lines
        .filter(line => line.isRight === isRight)
        .map(line => extremes(line.points, range[0], range[1]));
      const low = Math.min(...ends.map(end => end[0]));
      const high = Math.max(...ends.map(end => end[1]));
      return new YRange().fit(low, high, 0);
    };
    return {
      x: range,
      left: fit(false),
      right: right.size > 0 ? fit(true) : null,
      isTime: snapshot.isTime,
      lines,
      gaps: [],
      flags: [],
      offline: null
    };
  }

  private readonly _canvas = element('div', 'jp-SseView-chart');
  private readonly _legend = new Legend(
    () => undefined,
    () => undefined
  );
  private _uPlot: typeof uPlot | null = null;
  private _chart: Chart | null = null;
}

function table(
  columns: readonly string[],
  rows: readonly (readonly string[])[]
): HTMLElement {
  const node = element('table', 'jp-SseView-savedTable');
  const head = node.createTHead().insertRow();
  columns.forEach(name => head.append(element('th', '', name)));
  const body = node.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach(text => line.append(element('td', '', text)));
  }
  return node;
}

function progress({
  done,
  total
}: {
  done: number;
  total: number | null;
}): string {
  if (total === null || total <= 0) {
    return formatCount(done);
  }
  const percent = Math.floor((done / total) * 100);
  return `${formatCount(done)} / ${formatCount(total)} (${percent}%)`;
}
