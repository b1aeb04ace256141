import { type IBlock, readBlock } from './block';

/** A JSON object as an event carries it. */
export type Fields = { readonly [key: string]: unknown };

/** What an event's data turned out to be. */
export type Value =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'json';
      readonly value: unknown;
      /** The value flattened, when it is an object, else `null`. */
      readonly fields: Fields | null;
      /** The points that it holds in lists, or `null`. */
      readonly block: IBlock | null;
    };

// Only these characters begin a JSON text; anything else is not worth an exception.
const JSON_START = /^[\t\n\r ]*[[{"\-0-9tfn]/;

/** Read an event's data: JSON when it is valid JSON, else text. */
export function readValue(data: string): Value {
  const value = parse(data);
  if (value === undefined) {
    return { kind: 'text', text: data };
  }
  const fields = isFields(value) ? flatten(value) : null;
  const block = fields && readBlock(fields);
  return { kind: 'json', value, fields, block };
}

/** @returns `undefined` for what is no JSON */
function parse(data: string): unknown {
  if (JSON_START.test(data)) {
    try {
      return JSON.parse(data) as unknown;
    } catch {
      // Text that happens to begin like JSON.
    }
  }
  return undefined;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** A value as a text: texts as they are, anything else as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    // It was read, but is nested too deeply to be written.
    return '…';
  }
}

/** Objects within an object become `outer.inner`, one level deep. */
export function flatten(fields: Fields): Fields {
  let isFlat = true;
  for (const key in fields) {
    if (isFields(fields[key])) {
      isFlat = false;
      break;
    }
  }
  if (isFlat) {
    return fields;
  }
  // Without a prototype: a field may be named like something that every object has.
  const flat = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(fields)) {
    if (isFields(value)) {
      for (const [inner, leaf] of Object.entries(value)) {
        flat[`${key}.${inner}`] = leaf;
      }
    } else {
      flat[key] = value;
    }
  }
  return flat;
}

/** Parse a control event's data; anything but an object is an empty one. */
export function readFields(data: string): Fields {
  const value = parse(data);
  return isFields(value) ? value : {};
}
