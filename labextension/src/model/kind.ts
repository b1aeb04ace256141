import type { SuggestedKind } from '../tokens';
import { isXKey } from './axis';
import type { IBlock } from './block';
import { isNumber, isNumberList } from './number';
import { type Fields, isFields, isScalar, type Value } from './value';

const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp'];
const IMAGE_URL = /^data:image\/(?:png|jpeg|webp)[;,]/;
const DONE_KEYS = ['n', 'current', 'done'];
const TEXT_KEYS = ['message', 'msg', 'text', 'log', 'line'];
const LOG_NUMBER_KEYS = ['level', 'lineno'];
const NAME_KEYS = [
  'name',
  'key',
  'id',
  'sensor',
  'series',
  'metric',
  'label',
  'tag',
  'host',
  'symbol',
  'channel',
  'run'
];
const MAX_PLOTTED_LIST = 16;
const MAX_HEATMAP_LIST = 4_096;
const MAX_PLOTTED_NUMBERS = 40;
const MAX_PLOTTED_TEXTS = 2;
const MAX_NAMED_NUMBERS = 3;
const MIN_BLOCK = 2;
const MAX_VALUE_TEXT = 24;

/** What the rules know of the stream besides the event at hand. */
export interface IKindContext {
  /** Events of the run so far, this one included. */
  readonly events: number;
  /** The length that all lists of the run had so far, or `null` when they differed. */
  readonly listLength: number | null;
  /** Whether each event so far brought a new name: those are ids of events, not names of series. */
  readonly hasOnlyNewNames: boolean;
}

/**
 * Choose the view that fits an event; the first rule that matches wins.
 *
 * @param value - the event's data
 * @param context - what came before it
 */
export function suggestKind(
  value: Value,
  context: IKindContext
): SuggestedKind {
  if (value.kind === 'text') {
    return IMAGE_URL.test(value.text) ? 'image' : 'log';
  }
  const json = value.value;
  if (value.fields !== null) {
    return kindOfFields(value.fields, value.block, context);
  }
  if (Array.isArray(json)) {
    return kindOfList(json, context);
  }
  if (isNumber(json)) {
    return context.events === 1 ? 'value' : 'plot';
  }
  if (typeof json === 'string') {
    if (IMAGE_URL.test(json)) {
      return 'image';
    }
    return json.length <= MAX_VALUE_TEXT ? 'value' : 'raw';
  }
  return 'value';
}

function kindOfList(list: unknown[], context: IKindContext): SuggestedKind {
  if (isMatrix(list)) {
    return 'heatmap';
  }
  if (isImageArray(list)) {
    return 'image';
  }
  if (isNumberList(list)) {
    if (list.length <= MAX_PLOTTED_LIST) {
      return 'plot';
    }
    return list.length <= MAX_HEATMAP_LIST && context.listLength === list.length
      ? 'heatmap'
      : 'histogram';
  }
  return list.length > 0 && list.every(isFields) ? 'table' : 'raw';
}

/** A 2-D list of numbers, at least 2×2, with rows of one length. */
function isMatrix(list: unknown[]): boolean {
  const width = Array.isArray(list[0]) ? list[0].length : 0;
  return (
    list.length >= 2 &&
    width >= 2 &&
    list.every(row => isNumberList(row) && row.length === width)
  );
}

/** Rows of pixels of 3 or 4 numbers. Looks at the first pixel of each row only: an image has many. */
function isImageArray(list: unknown[]): boolean {
  return (
    list.length > 0 &&
    list.every(row => {
      const pixel: unknown = Array.isArray(row) ? row[0] : null;
      return isNumberList(pixel) && (pixel.length === 3 || pixel.length === 4);
    })
  );
}

function kindOfFields(
  fields: Fields,
  block: IBlock | null,
  context: IKindContext
): SuggestedKind {
  if (readsAsProgress(fields)) {
    return 'progress';
  }
  if (IMAGE_TYPES.some(type => typeof fields[type] === 'string')) {
    return 'image';
  }
  const numbers = numberKeys(fields);
  if (
    TEXT_KEYS.some(key => typeof fields[key] === 'string') &&
    numbers.every(key => LOG_NUMBER_KEYS.includes(key))
  ) {
    return 'log';
  }
  if (nameKey(fields, null) !== null) {
    return context.hasOnlyNewNames ? 'table' : 'plot';
  }
  const texts = Object.entries(fields).filter(
    ([key, value]) => typeof value === 'string' && !isXKey(key)
  );
  const canBePlotted = texts.length <= MAX_PLOTTED_TEXTS;
  if (canBePlotted && isPlotted(numbers)) {
    return 'plot';
  }
  if (canBePlotted && block !== null && isPlottedBlock(block)) {
    const isNamed = nameKey(fields, block) !== null;
    return isNamed && context.hasOnlyNewNames ? 'table' : 'plot';
  }
  const hasOnlyScalars =
    Object.keys(fields).length > 0 && Object.values(fields).every(isScalar);
  return hasOnlyScalars ? 'table' : 'raw';
}

function isPlotted(numbers: readonly string[]): boolean {
  return numbers.length >= 1 && numbers.length <= MAX_PLOTTED_NUMBERS;
}

function isPlottedBlock(block: IBlock): boolean {
  const { length, values, hasNumbers, isBeside } = block;
  return length >= MIN_BLOCK && hasNumbers && !isBeside && isPlotted(values);
}

function numberKeys(fields: Fields): string[] {
  return Object.keys(fields).filter(
    key => isNumber(fields[key]) && !isXKey(key)
  );
}

/** Whether the event tells how far something is: `n` of `total`, or a lone share. */
function readsAsProgress(fields: Fields): boolean {
  if (isNumber(fields.total) && DONE_KEYS.some(key => isNumber(fields[key]))) {
    return true;
  }
  const numbers = numberKeys(fields);
  if (numbers.length !== 1) {
    return false;
  }
  const value = fields[numbers[0]] as number;
  return (
    numbers[0] === 'percent' ||
    (numbers[0] === 'progress' && value >= 0 && value <= 1)
  );
}

/**
 * The field whose text names the series that the event's numbers belong to.
 *
 * @param fields - a flattened event
 * @param block - its lists, where those are its numbers
 * @returns `null` when there is none, or more than one, or too many numbers
 */
export function nameKey(fields: Fields, block: IBlock | null): string | null {
  const keys = NAME_KEYS.filter(key => typeof fields[key] === 'string');
  const numbers = block?.values ?? numberKeys(fields);
  return keys.length === 1 &&
    numbers.length >= 1 &&
    numbers.length <= MAX_NAMED_NUMBERS
    ? keys[0]
    : null;
}
