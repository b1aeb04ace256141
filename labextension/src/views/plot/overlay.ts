import type { IFlag, IGapBand } from '../../model/plotStore';
import { formatCount } from '../format';
import type { IColors } from '../theme';
import type { IArea } from './line';

const MIN_BAND_PX = 6;
const HATCH_PX = 7;

/** Mark where events are missing: a hatched band from the last event before to the first after. */
export function drawGaps(
  ctx: CanvasRenderingContext2D,
  gaps: readonly IGapBand[],
  area: IArea,
  colors: IColors,
  ratio: number
): void {
  // Just outside of what is shown. A band may be millions of times as wide, and its hatches are drawn one by one.
  const margin = 2 * HATCH_PX * ratio;
  const first = area.left - margin;
  const last = area.left + area.width + margin;
  for (const band of gaps) {
    const edges = bandEdges(band, area, ratio);
    if (edges[1] < area.left || edges[0] > area.left + area.width) {
      continue;
    }
    const left = Math.max(edges[0], first);
    const right = Math.min(edges[1], last);
    const { count } = band.gap;
    const text = count === null ? '? lost' : `${formatCount(count)} lost`;
    drawBand(ctx, left, right, area, colors.warn, ratio, true);
    label(ctx, text, (left + right) / 2, area, colors, ratio);
  }
}

/** Mark the time without a connection: a plain band that grows. */
export function drawOffline(
  ctx: CanvasRenderingContext2D,
  since: number,
  text: string,
  area: IArea,
  colors: IColors,
  ratio: number
): void {
  const left = Math.max(toX(since, area), area.left);
  const right = area.left + area.width;
  if (right - left >= MIN_BAND_PX * ratio) {
    drawBand(ctx, left, right, area, colors.faintText, ratio, false);
    if (right - left > 110 * ratio) {
      label(ctx, text, (left + right) / 2, area, colors, ratio);
    }
  }
}

/** Mark events of type error, warning, mark and annotation: a line with a flag and its text. */
export function drawFlags(
  ctx: CanvasRenderingContext2D,
  flags: readonly IFlag[],
  area: IArea,
  colors: IColors,
  ratio: number
): void {
  let freeFrom = -Infinity;
  ctx.textBaseline = 'bottom';
  ctx.textAlign = 'left';
  ctx.lineWidth = ratio;
  for (const flag of flags) {
    const x = Math.round(toX(flag.x, area)) + 0.5;
    if (x < area.left || x > area.left + area.width) {
      continue;
    }
    const color = flagColor(flag.type, colors);
    ctx.strokeStyle = color;
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.moveTo(x, area.top);
    ctx.lineTo(x, area.top + area.height);
    ctx.stroke();
    const text = `⚑ ${shorten(flag.text)}`;
    const width = ctx.measureText(text).width;
    const fits = x + width + 4 * ratio < area.left + area.width;
    const left = fits ? x + 4 * ratio : x - width - 4 * ratio;
    // Flags that stand close keep their line; only the first has room for its text.
    if (left >= freeFrom) {
      ctx.fillText(text, left, area.top + area.height - 3 * ratio);
      freeFrom = left + width + 8 * ratio;
    }
  }
}

function bandEdges(
  { from, to }: IGapBand,
  area: IArea,
  ratio: number
): [number, number] {
  const start = Number.isNaN(from) ? (Number.isNaN(to) ? area.x[0] : to) : from;
  const left = toX(start, area);
  const right = toX(Number.isNaN(to) ? start : to, area);
  const missing = Math.max(0, MIN_BAND_PX * ratio - (right - left)) / 2;
  return [left - missing, right + missing];
}

function drawBand(
  ctx: CanvasRenderingContext2D,
  left: number,
  right: number,
  area: IArea,
  color: string,
  ratio: number,
  isHatched: boolean
): void {
  const { top, height } = area;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, height);
  ctx.clip();
  ctx.fillStyle = color;
  ctx.globalAlpha = 0.12;
  ctx.fillRect(left, top, right - left, height);
  if (isHatched) {
    ctx.globalAlpha = 0.4;
    ctx.strokeStyle = color;
    ctx.lineWidth = ratio;
    ctx.beginPath();
    // Hatches stand on a grid of the screen: they do not crawl while the band moves.
    const step = HATCH_PX * ratio;
    const first = Math.floor((left - height) / step) * step;
    for (let x = first; x < right; x += step) {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x + height, top);
    }
    ctx.stroke();
    ctx.beginPath();
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.moveTo(left + 0.5, top);
    ctx.lineTo(left + 0.5, top + height);
    ctx.moveTo(right - 0.5, top);
    ctx.lineTo(right - 0.5, top + height);
    ctx.stroke();
  }
  ctx.restore();
}

function label(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  area: IArea,
  colors: IColors,
  ratio: number
): void {
  const half = ctx.measureText(text).width / 2 + 3 * ratio;
  const left = area.left + half;
  const right = area.left + area.width - half;
  const center = Math.min(Math.max(x, left), right);
  ctx.textAlign = 'center';
  ctx.textBaseline = 'top';
  ctx.globalAlpha = 0.75;
  ctx.fillStyle = colors.background;
  ctx.fillRect(center - half, area.top + 3 * ratio, 2 * half, 15 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colors.text;
  ctx.fillText(text, center, area.top + 5 * ratio);
}

function flagColor(type: string, colors: IColors): string {
  if (type === 'error') {
    return colors.error;
  }
  return type === 'warning' ? colors.warn : colors.brand;
}

function toX(x: number, area: IArea): number {
  const share = (x - area.x[0]) / (area.x[1] - area.x[0]);
  return area.left + share * area.width;
}

function shorten(text: string): string {
  const line = text.split('\n', 1)[0];
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
}
