/** How numbers are written; a setting. */
export type NumberFormat = 'si' | 'plain' | 'scientific';

const SI_PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY_PREFIXES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Units that a field's name ends in; the number is followed by it. */
const UNIT_SUFFIXES: readonly (readonly [RegExp, string])[] = [
  [/_ms$/, 'ms'],
  [/_s$/, 's'],
  [/_us$/, 'µs'],
  [/_ns$/, 'ns'],
  [/(?:_pct|_percent| ?%)$/, '%'],
  [/_bytes$/, 'B'],
  [/_mb$/, 'MB'],
  [/_c$/, '°C'],
  [/_v$/, 'V'],
  [/_a$/, 'A'],
  [/_w$/, 'W'],
  [/_hz$/, 'Hz']
];

/** The unit that a field's name tells, or the empty text. */
export function unitOf(name: string): string {
  return UNIT_SUFFIXES.find(([suffix]) => suffix.test(name))?.[1] ?? '';
}

/** A number in about four digits, so that a changing value keeps its width. */
export function formatNumber(
  value: number,
  format: NumberFormat = 'si'
): string {
  if (!Number.isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  if (format === 'scientific') {
    return value === 0 ? '0' : value.toExponential(2);
  }
  if (format === 'plain') {
    return Number(value.toPrecision(6)).toLocaleString('en-US', {
      maximumFractionDigits: 6
    });
  }
  if (size >= 1e21 || (size > 0 && size < 1e-3)) {
    return value.toExponential(2);
  }
  if (Number.isInteger(value) && size < 10_000) {
    return String(value);
  }
  const power = size < 1000 ? 0 : Math.floor(Math.log10(size) / 3);
  return fourDigits(value / 1000 ** power) + SI_PREFIXES[power];
}

/** Decimals that a column of numbers has at most. */
const MAX_DECIMALS = 3;

/** The decimals that a number needs among others of its kind; none for one that is written as a power of ten. */
export function decimalsOf(value: number): number {
  const [, decimals = ''] = String(value).split('.');
  return decimals.includes('e') ? 0 : Math.min(decimals.length, MAX_DECIMALS);
}

/** A number of a column whose numbers all have as many decimals. */
export function formatColumn(
  value: number,
  decimals: number,
  format: NumberFormat = 'si'
): string {
  const size = Math.abs(value);
  const isLost = size > 0 && size < 10 ** -decimals / 2;
  return format === 'scientific' || size >= 1e15 || isLost
    ? formatNumber(value, format)
    : value.toFixed(decimals);
}

/** A value of a field, with the unit its name tells. */
export function formatValue(
  value: number,
  name: string,
  format: NumberFormat = 'si'
): string {
  const unit = unitOf(name);
  if (unit === 'B' && Number.isFinite(value)) {
    return formatBytes(value);
  }
  const text = formatNumber(value, format);
  return unit === '' || !Number.isFinite(value)
    ? text
    : unit === '%'
      ? `${text}%`
      : `${text} ${unit}`;
}

export function formatBytes(value: number): string {
  let power = 0;
  let rest = value;
  while (Math.abs(rest) >= 1024 && power < BINARY_PREFIXES.length - 1) {
    rest /= 1024;
    power++;
  }
  const text = power === 0 ? String(Math.round(rest)) : fourDigits(rest);
  return `${text} ${BINARY_PREFIXES[power]}`;
}

/** A count with separators: 72,410. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** Events per second: 0.3, 12, 1.2k. */
export function formatRate(rate: number): string {
  if (rate < 0.05) {
    return '0';
  }
  if (rate < 10) {
    return rate.toFixed(1);
  }
  return rate < 999.5 ? String(Math.round(rate)) : `${threeDigits(rate)}`;
}

/** A stretch of time: 00:12, 1:03:20. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60) % 60,
    seconds % 60
  ];
  const shown = parts[0] > 0 ? parts : parts.slice(1);
  return shown
    .map((part, i) => (i === 0 && parts[0] > 0 ? part : pad(part)))
    .join(':');
}

function fourDigits(value: number): string {
  const size = Math.abs(value);
  const decimals = size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;
  return value.toFixed(decimals);
}

function threeDigits(value: number): string {
  const power = Math.floor(Math.log10(value) / 3);
  const rest = value / 1000 ** power;
  return rest.toFixed(rest < 10 ? 1 : 0) + SI_PREFIXES[power];
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** Points in time, written in one zone. */
export class TimeFormat {
  /** @param zone - an IANA name, or `undefined` for the browser's */
  constructor(zone?: string) {
    const base = { hour12: false, timeZone: zone } as const;
    this._parts = new Intl.DateTimeFormat('en-GB', {
      ...base,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit'
    });
    this._day = new Intl.DateTimeFormat('en-US', {
      ...base,
      month: 'short',
      day: 'numeric'
    });
  }

  /** 14:03:22 */
  time(ms: number): string {
    const { hour, minute, second } = this._read(ms);
    return `${hour}:${minute}:${second}`;
  }

  /** 14:03:22.184 */
  exactTime(ms: number): string {
    return `${this.time(ms)}.${String(Math.floor(ms) % 1000).padStart(3, '0')}`;
  }

  /** 14:03 */
  minute(ms: number): string {
    return this.time(ms).slice(0, 5);
  }

  /** Nov 22 */
  day(ms: number): string {
    return this._day.format(ms);
  }

  /** 2026-11-22 14:03 */
  dayAndMinute(ms: number): string {
    const { year, month, day } = this._read(ms);
    return `${year}-${month}-${day} ${this.minute(ms)}`;
  }

  /** 2026-11-22T14-03-22 */
  forFileName(ms: number): string {
    const { year, month, day, hour, minute, second } = this._read(ms);
    return `${year}-${month}-${day}T${hour}-${minute}-${second}`;
  }

  private _read(ms: number): Record<string, string> {
    if (this._cached.ms !== ms) {
      const parts: Record<string, string> = {};
      for (const { type, value } of this._parts.formatToParts(ms)) {
        parts[type] = value;
      }
      this._cached = { ms, parts };
    }
    return this._cached.parts;
  }

  private readonly _parts: Intl.DateTimeFormat;
  private readonly _day: Intl.DateTimeFormat;
  private _cached: { ms: number; parts: Record<string, string> } = {
    ms: NaN,
    parts: {}
  };
}
