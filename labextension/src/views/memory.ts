/** What a view remembers of the user's choices over a reload. */
export interface IRemembered {
  readonly kind?: string;
  readonly window?: string;
  readonly x?: string;
  /** Names of the series that are not shown. */
  readonly hidden?: readonly string[];
  /** CSS px of the body. */
  readonly height?: number;
}

/** Where views keep their choices. */
export interface IViewMemory {
  /** What was kept under this key, empty when nothing was. */
  load(key: string): Promise<IRemembered>;
  save(key: string, remembered: IRemembered): void;
}

/** Keeps nothing. */
export const NO_MEMORY: IViewMemory = {
  load: () => Promise.resolve({}),
  save: () => undefined
};

/** Take what has the right shape from what was stored; anything may stand there. */
export function readRemembered(value: unknown): IRemembered {
  if (typeof value !== 'object' || value === null) {
    return {};
  }
  const stored = value as Record<string, unknown>;
  const text = (key: string): string | undefined =>
    typeof stored[key] === 'string' ? stored[key] : undefined;
  return {
    kind: text('kind'),
    window: text('window'),
    x: text('x'),
    hidden: Array.isArray(stored.hidden)
      ? stored.hidden.filter(name => typeof name === 'string')
      : undefined,
    height: typeof stored.height === 'number' ? stored.height : undefined
  };
}
