import { nameError } from '../connection/name';
import { readSnapshot, type Snapshot } from '../model/snapshot';
import { type Fields, isFields } from '../model/value';
import type { IViewOptions } from '../tokens';

/** What an output asks a card to show. */
export interface IDisplay {
  readonly stream: string;
  /** The run that the output's own cell has started, or `null`: it shows what was started elsewhere. */
  readonly run: number | null;
  readonly origin: string;
  readonly view: IViewOptions;
  /** When the notebook's picture was taken: unix ms, or `null`. */
  readonly savedAt: number | null;
  readonly snapshot: Snapshot | null;
}

export const NO_OPTIONS: IViewOptions = {
  kind: null,
  x: null,
  y: null,
  window: null
};

/**
 * Read an output of our MIME type. It may come from a notebook that anyone wrote.
 *
 * @returns the display, or a sentence that says what is wrong with it
 */
export function readDisplay(data: unknown): IDisplay | string {
  if (!isFields(data)) {
    return 'This output is not a view of a stream.';
  }
  if (data.version !== 1) {
    return `This view needs a newer jupyter_sse: expected version 1, got ${JSON.stringify(data.version) ?? 'none'}.`;
  }
  const error = nameError(data.stream);
  if (error !== null) {
    return error;
  }
  return {
    stream: data.stream as string,
    run: typeof data.run === 'number' ? data.run : null,
    origin: typeof data.origin === 'string' ? data.origin : '',
    view: isFields(data.view) ? readOptions(data.view) : NO_OPTIONS,
    savedAt: typeof data.saved_at === 'number' ? data.saved_at : null,
    snapshot: readSnapshot(data.snapshot)
  };
}

/** Read view options as Python gives them. */
export function readOptions(data: Fields): IViewOptions {
  const text = (value: unknown): string | null =>
    typeof value === 'string' && value !== '' ? value : null;
  const names = Array.isArray(data.y)
    ? data.y.filter(name => typeof name === 'string')
    : [];
  return {
    kind: text(data.kind),
    x: text(data.x),
    y: names.length > 0 ? names : null,
    window: text(data.window)
  };
}
