import { type ISignal, Signal } from '@lumino/signaling';

/** Okabe–Ito, with the hues that fail 3:1 on white made darker. */
const LIGHT_SERIES = ['#0072B2', '#D55E00', '#009E73', '#B8578D', '#333333'];
const DARK_SERIES = [
  '#56B4E9',
  '#E69F00',
  '#009E73',
  '#CC79A7',
  '#F0E442',
  '#D55E00',
  '#FFFFFF'
];
/** After the last colour the same ones come dashed, then dotted. In CSS px. */
const DASHES = [[], [7, 4], [1.5, 3]];

/** How one line is drawn. */
export interface ILineStyle {
  readonly color: string;
  /** Lengths in CSS px; empty for a solid line. */
  readonly dash: readonly number[];
}

/** What a canvas needs of JupyterLab's theme. */
export interface IColors {
  readonly isDark: boolean;
  readonly text: string;
  readonly faintText: string;
  readonly grid: string;
  readonly background: string;
  readonly brand: string;
  readonly warn: string;
  readonly error: string;
  readonly fontFamily: string;
}

/** JupyterLab's theme as canvases see it: colours are read once and again when the theme changes. */
export class Theme {
  get changed(): ISignal<Theme, void> {
    return this._changed;
  }

  get colors(): IColors {
    this._colors ??= readColors();
    return this._colors;
  }

  /** The theme is another one now. */
  refresh(): void {
    this._colors = null;
    this._changed.emit();
  }

  /** The style of the n-th line of a chart: three of the first are told apart without colour. */
  line(index: number): ILineStyle {
    const palette = this.colors.isDark ? DARK_SERIES : LIGHT_SERIES;
    const round = Math.floor(index / palette.length);
    return {
      color: palette[index % palette.length],
      dash: DASHES[round % DASHES.length]
    };
  }

  private readonly _changed = new Signal<Theme, void>(this);
  private _colors: IColors | null = null;
}

function readColors(): IColors {
  const style = getComputedStyle(document.body);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    isDark: document.body.dataset.jpThemeLight === 'false',
    text: read('--jp-ui-font-color1'),
    faintText: read('--jp-ui-font-color2'),
    grid: read('--jp-border-color2'),
    background: read('--jp-layout-color0'),
    brand: read('--jp-brand-color1'),
    warn: read('--jp-warn-color1'),
    error: read('--jp-error-color1'),
    fontFamily: read('--jp-ui-font-family')
  };
}
