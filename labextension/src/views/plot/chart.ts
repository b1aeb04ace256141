import type uPlot from 'uplot';

import type { IFlag, IGapBand } from '../../model/plotStore';
import type { Points } from '../../model/points';
import type { NumberFormat, TimeFormat } from '../format';
import type { IColors, ILineStyle } from '../theme';
import { type IArea, isDense, traceLine } from './line';
import { drawFlags, drawGaps, drawOffline } from './overlay';
import { Raster } from './raster';
import { NUMBER_STEPS, numberTicks, timeTicks, timeTickSpace } from './ticks';
import type { Range } from './range';

const PAST_ALPHA = 0.25;
const DOT_PX = 2.25;
const FONT_PX = 11;
const X_AXIS_PX = 26;
const TICK_PX = 5;
/** Axis widths grow in steps, so that a longer label seldom moves the plot. */
const AXIS_STEP_PX = 8;
const MIN_AXIS_PX = 40;

/** One line as the chart draws it. */
export interface ILine {
  readonly points: Points;
  readonly past: readonly Points[];
  readonly style: ILineStyle;
  readonly isRight: boolean;
}

/** All that one frame of the chart shows. */
export interface IScene {
  readonly x: Range;
  readonly left: Range;
  /** `null` when no line is on the right axis. */
  readonly right: Range | null;
  readonly isTime: boolean;
  readonly lines: readonly ILine[];
  readonly gaps: readonly IGapBand[];
  readonly flags: readonly IFlag[];
  /** Since when there is no connection, with its text; `null` while there is one. */
  readonly offline: { readonly since: number; readonly text: string } | null;
}

/** How charts look; a change rebuilds them. */
export interface ILook {
  readonly colors: IColors;
  readonly lineWidth: number;
  readonly numberFormat: NumberFormat;
  readonly timeFormat: TimeFormat;
}

/** What the user does to a chart. */
export interface IChartEvents {
  /** A stretch of x was marked with the mouse; `reachesEdge` when it goes to the right end. */
  onSelect(range: Range, reachesEdge: boolean): void;
  onDoubleClick(): void;
  /** The mouse points at an x, or at none. */
  onCursor(x: number | null): void;
}

const NOWHERE = { left: 0, top: 0, width: 0, height: 0 };

/** Where dense lines are drawn, and the canvas that brings them to the chart. */
interface ILayer {
  readonly raster: Raster;
  readonly ctx: CanvasRenderingContext2D;
}

/**
 * uPlot for axes, grid, cursor and selection; the lines are drawn here, by pixel columns where they are dense.
 */
export class Chart {
  constructor(
    private readonly _uPlot: typeof uPlot,
    private readonly _host: HTMLElement,
    private readonly _look: ILook,
    private readonly _events: IChartEvents
  ) {}

  /** Draw a scene into `width` × `height` CSS px. */
  draw(scene: IScene, width: number, height: number): void {
    const shape = `${scene.isTime} ${scene.right !== null} ${devicePixelRatio}`;
    this._scene = scene;
    if (this._plot === null || shape !== this._shape) {
      this._build(scene, width, height);
      this._shape = shape;
    }
    const plot = this._plot!;
    plot.batch(() => {
      if (plot.width !== width || plot.height !== height) {
        plot.setSize({ width, height });
      }
      plot.setScale('x', { min: scene.x[0], max: scene.x[1] });
      plot.setScale('left', { min: scene.left[0], max: scene.left[1] });
      if (scene.right !== null) {
        plot.setScale('right', { min: scene.right[0], max: scene.right[1] });
      }
      // uPlot leaves the canvas alone when no scale has changed.
      plot.redraw(false, true);
    });
    this._tellCursor();
  }

  /** The plotting area's x for a place on the page, or `null` outside of it. */
  xAt(clientX: number): number | null {
    const plot = this._plot;
    if (plot === null) {
      return null;
    }
    const { left, width } = plot.over.getBoundingClientRect();
    return clientX < left || clientX > left + width
      ? null
      : plot.posToVal(clientX - left, 'x');
  }

  destroy(): void {
    this._plot?.destroy();
    this._plot = null;
  }

  private _build(scene: IScene, width: number, height: number): void {
    this._plot?.destroy();
    const hidden: uPlot.Series = { paths: () => null, points: { show: false } };
    const series: uPlot.Series[] = [{}, { ...hidden, scale: 'left' }];
    const data: number[][] = [[...scene.x], [NaN, NaN]];
    const axes = [this._xAxis(scene.isTime), this._yAxis('left')];
    const scales: uPlot.Scales = {
      x: { time: scene.isTime, auto: false },
      left: { auto: false }
    };
    if (scene.right !== null) {
      series.push({ ...hidden, scale: 'right' });
      data.push([NaN, NaN]);
      axes.push(this._yAxis('right'));
      scales.right = { auto: false };
    }
    this._plot = new this._uPlot(
      {
        width,
        height,
        ms: 1,
        series,
        axes,
        scales,
        padding: [8, scene.right === null ? 12 : 0, 0, 0],
        legend: { show: false },
        cursor: this._cursor(),
        hooks: {
          draw: [plot => this._drawScene(plot)],
          setCursor: [() => this._tellCursor()],
          setSelect: [plot => this._tellSelection(plot)]
        }
      },
      data as uPlot.AlignedData,
      this._host
    );
  }

  private _cursor(): uPlot.Cursor {
    return {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      bind: {
        dblclick: () => () => {
          this._events.onDoubleClick();
          return null;
        }
      }
    };
  }

  private _xAxis(isTime: boolean): uPlot.Axis {
    const { numberFormat, timeFormat } = this._look;
    return {
      ...this._axisLook(),
      ...(isTime
        ? { space: (_, __, from, to, width) => timeTickSpace(to - from, width) }
        : { space: 60, incrs: [...NUMBER_STEPS] }),
      size: X_AXIS_PX,
      values: (plot, splits, _, __, step) => {
        const labels = isTime
          ? timeTicks(splits, step, timeFormat)
          : numberTicks(splits, step, numberFormat);
        // A label that the edge would cut is left out.
        const room = plot.width - plot.bbox.left / devicePixelRatio;
        return labels.map((label, i) => {
          const half = (label.length * FONT_PX * 0.6) / 2;
          return plot.valToPos(splits[i], 'x') + half > room ? null : label;
        });
      }
    };
  }

  private _yAxis(scale: 'left' | 'right'): uPlot.Axis {
    return {
      ...this._axisLook(),
      scale,
      side: scale === 'left' ? 3 : 1,
      space: 34,
      incrs: [...NUMBER_STEPS],
      size: (plot, labels) =>
        axisWidth(plot, labels, this._font(devicePixelRatio)),
      grid: { ...this._axisLook().grid, show: scale === 'left' },
      values: (_, splits, __, ___, step) =>
        numberTicks(splits, step, this._look.numberFormat)
    };
  }

  private _font(ratio: number): string {
    return `${FONT_PX * ratio}px ${this._look.colors.fontFamily}`;
  }

  private _axisLook(): uPlot.Axis {
    const { colors } = this._look;
    return {
      stroke: colors.faintText,
      font: this._font(1),
      gap: 4,
      grid: { stroke: colors.grid, width: 1 },
      ticks: { stroke: colors.grid, width: 1, size: TICK_PX }
    };
  }

  private _drawScene(plot: uPlot): void {
    const scene = this._scene;
    if (scene === null) {
      return;
    }
    const { ctx, bbox } = plot;
    const { colors } = this._look;
    const ratio = devicePixelRatio;
    const area: IArea = { ...bbox, x: scene.x, y: scene.left };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = this._font(ratio);
    if (scene.offline !== null && scene.isTime) {
      const { since, text } = scene.offline;
      drawOffline(ctx, since, text, area, colors, ratio);
    }
    const lines = scene.lines.map(line => {
      const y = line.isRight && scene.right ? scene.right : scene.left;
      return { line, area: { ...area, y } };
    });
    const dense = lines.filter(
      ({ line, area }) => line.past.length === 0 && isDense(line.points, area)
    );
    this._drawDense(ctx, dense, ratio);
    for (const one of lines) {
      if (!dense.includes(one)) {
        this._drawLine(ctx, one.line, one.area, ratio);
      }
    }
    drawGaps(ctx, scene.gaps, area, colors, ratio);
    drawFlags(ctx, scene.flags, area, colors, ratio);
    ctx.restore();
  }

  /** Lay a picture of the dense lines over what is drawn. */
  private _drawDense(
    ctx: CanvasRenderingContext2D,
    lines: readonly { readonly line: ILine; readonly area: IArea }[],
    ratio: number
  ): void {
    const { left, top, width, height } = lines[0]?.area ?? NOWHERE;
    if (width < 1 || height < 1) {
      return;
    }
    const layer = this._layerOf(Math.ceil(width), Math.ceil(height));
    const { raster } = layer;
    raster.clear();
    for (const { line, area } of lines) {
      const { color, dash } = line.style;
      raster.draw(line.points, area, {
        color,
        width: this._look.lineWidth * ratio,
        dash: dash.map(length => length * ratio)
      });
    }
    layer.ctx.putImageData(raster.image, 0, 0);
    ctx.drawImage(layer.ctx.canvas, Math.round(left), Math.round(top));
  }

  private _layerOf(width: number, height: number): ILayer {
    const { raster } = this._layer ?? {};
    if (raster?.width !== width || raster.height !== height) {
      const canvas = document.createElement('canvas');
      canvas.width = width;
      canvas.height = height;
      // In main memory, where its pixels are made.
      const ctx = canvas.getContext('2d', { willReadFrequently: true })!;
      this._layer = { raster: new Raster(width, height), ctx };
    }
    return this._layer!;
  }

  private _drawLine(
    ctx: CanvasRenderingContext2D,
    line: ILine,
    area: IArea,
    ratio: number
  ): void {
    ctx.strokeStyle = line.style.color;
    ctx.fillStyle = line.style.color;
    ctx.lineWidth = this._look.lineWidth * ratio;
    // Round joins cost half of the frame where lines are dense.
    ctx.lineJoin = 'bevel';
    ctx.setLineDash(line.style.dash.map(length => length * ratio));
    const dots: number[] = [];
    const dot = (x: number, y: number): void => {
      dots.push(x, y);
    };
    for (const points of [...line.past, line.points]) {
      ctx.globalAlpha = points === line.points ? 1 : PAST_ALPHA;
      ctx.beginPath();
      traceLine(points, area, ctx, dot);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.beginPath();
    for (let i = 0; i < dots.length; i += 2) {
      ctx.moveTo(dots[i], dots[i + 1]);
      ctx.arc(dots[i], dots[i + 1], DOT_PX * ratio, 0, 2 * Math.PI);
    }
    ctx.fill();
  }

  private _tellCursor(): void {
    const left = this._plot?.cursor.left ?? -1;
    this._events.onCursor(
      left < 0 || this._plot === null ? null : this._plot.posToVal(left, 'x')
    );
  }

  private _tellSelection(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width > 0) {
      const from = plot.posToVal(left, 'x');
      const to = plot.posToVal(left + width, 'x');
      const edge = plot.bbox.width / devicePixelRatio - 8;
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      this._events.onSelect([from, to], left + width >= edge);
    }
  }

  private _plot: uPlot | null = null;
  private _shape = '';
  private _layer: ILayer | null = null;
  private _scene: IScene | null = null;
}

function axisWidth(plot: uPlot, labels: string[] | null, font: string): number {
  if (labels === null) {
    return MIN_AXIS_PX;
  }
  const longest = labels.reduce(
    (best, one) => (one.length > best.length ? one : best),
    ''
  );
  plot.ctx.save();
  plot.ctx.font = font;
  const width = plot.ctx.measureText(longest).width / devicePixelRatio;
  plot.ctx.restore();
  const needed = width + TICK_PX + 9;
  return Math.max(MIN_AXIS_PX, Math.ceil(needed / AXIS_STEP_PX) * AXIS_STEP_PX);
}
