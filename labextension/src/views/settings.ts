import type { NumberFormat } from './format';

/** What the user can set for all views; `schema/plugin.json` says it in words. */
export interface IViewSettings {
  /** `auto`, or a window as `--window` takes it. */
  readonly defaultWindow: string;
  /** Frames per second at most. */
  readonly followFps: number;
  readonly maxPointsPerSeries: number;
  readonly maxLogLines: number;
  readonly maxTableRows: number;
  readonly maxSeriesDrawn: number;
  /** CSS px. */
  readonly chartHeight: number;
  readonly lineWidth: number;
  readonly numberFormat: NumberFormat;
  readonly timeZone: 'browser' | 'utc';
}

export const DEFAULT_SETTINGS: IViewSettings = {
  defaultWindow: 'auto',
  followFps: 30,
  maxPointsPerSeries: 100_000,
  maxLogLines: 10_000,
  maxTableRows: 10_000,
  maxSeriesDrawn: 40,
  chartHeight: 240,
  lineWidth: 1.5,
  numberFormat: 'si',
  timeZone: 'browser'
};
