import { Points } from '../model/points';
import { traceLine } from './plot/line';
import { drawable } from './plot/range';
import type { Theme } from './theme';

const WIDTH_PX = 120;
const HEIGHT_PX = 24;
const POINTS = 240;

/** The newest values of one number as a line without axes. */
export class Sparkline {
  constructor(private readonly _theme: Theme) {
    this.node.className = 'jp-SseView-sparkline';
    this.node.setAttribute('aria-hidden', 'true');
  }

  readonly node = document.createElement('canvas');

  /** Draw the newest of these points. */
  draw(points: Points): void {
    const ratio = devicePixelRatio;
    const [width, height] = [WIDTH_PX * ratio, HEIGHT_PX * ratio];
    if (this.node.width !== width || this.node.height !== height) {
      this.node.width = width;
      this.node.height = height;
    }
    const ctx = this.node.getContext('2d');
    if (ctx === null) {
      return;
    }
    ctx.clearRect(0, 0, width, height);
    const newest = newestOf(points);
    if (newest.length < 2) {
      return;
    }
    const { y } = newest;
    const low = Math.min(...y.filter(value => !Number.isNaN(value)));
    const high = Math.max(...y.filter(value => !Number.isNaN(value)));
    const room = high > low ? 0 : 1;
    ctx.strokeStyle = this._theme.line(0).color;
    ctx.lineWidth = 1.5 * ratio;
    ctx.lineJoin = 'round';
    ctx.beginPath();
    traceLine(
      newest,
      {
        x: drawable([newest.firstX, newest.lastX]),
        y: drawable([low - room, high + room]),
        left: 2 * ratio,
        top: 3 * ratio,
        width: width - 4 * ratio,
        height: height - 6 * ratio
      },
      ctx,
      () => undefined
    );
    ctx.stroke();
  }
}

function newestOf(points: Points): Points {
  if (points.length <= POINTS) {
    return points;
  }
  const newest = new Points(POINTS);
  const { x, y } = points;
  for (let i = x.length - POINTS; i < x.length; i++) {
    newest.push(x[i], y[i]);
  }
  return newest;
}
