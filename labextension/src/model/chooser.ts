import type { SuggestedKind } from '../tokens';
import { nameKey, suggestKind } from './kind';
import type { Value } from './value';

const REVISE_EVENTS = 20;
const REVISE_MS = 2_000;
/** So many events, each with a name of its own, are not the first round of as many series. */
const MIN_NAMES = 9;
/** Events in a row that must disagree before a hint says so. */
const HINT_EVENTS = 20;

/**
 * Choose a run's view: at its first event, revised while the run is young, never again by itself.
 */
export class KindChooser {
  /** The kind that fits the run, or `null` before its first event. */
  get kind(): SuggestedKind | null {
    return this._kind;
  }

  /** What the newest events look like, when that is something else than {@link kind}. */
  get hint(): SuggestedKind | null {
    return this._disagreeing >= HINT_EVENTS ? this._newest : null;
  }

  /** Look at the run's next event, appended at `at` (unix ms). */
  see(value: Value, at: number): void {
    if (this._events === 0) {
      this._firstAt = at;
    }
    this._events++;
    const kind = suggestKind(value, {
      events: this._events,
      listLength: this._seeList(value),
      hasOnlyNewNames: this._seeName(value)
    });
    const isYoung =
      this._events <= REVISE_EVENTS || at - this._firstAt <= REVISE_MS;
    if (isYoung) {
      this._vote(kind);
    }
    this._disagreeing =
      kind === this._kind
        ? 0
        : kind === this._newest
          ? this._disagreeing + 1
          : 1;
    this._newest = kind;
  }

  /** Most events win; of two that are even, the newer. */
  private _vote(kind: SuggestedKind): void {
    const votes = (this._votes.get(kind) ?? 0) + 1;
    this._votes.set(kind, votes);
    const leading =
      this._kind === null ? 0 : (this._votes.get(this._kind) ?? 0);
    if (votes >= leading) {
      this._kind = kind;
    }
  }

  private _seeList(value: Value): number | null {
    const list = value.kind === 'json' ? value.value : null;
    if (Array.isArray(list)) {
      this._listLength =
        this._listLength === undefined || this._listLength === list.length
          ? list.length
          : null;
    }
    return this._listLength ?? null;
  }

  /** The rules take a field like `id` for the name of a series. Ids that never come again are none. */
  private _seeName(value: Value): boolean {
    if (this._events > REVISE_EVENTS || value.kind === 'text') {
      return this._hasOnlyNewNames;
    }
    const { fields, block } = value;
    const isOfLists = block !== null && !block.isBeside;
    const key = fields && nameKey(fields, isOfLists ? block : null);
    if (key !== null) {
      this._names.add(fields![key] as string);
    }
    const hadOnlyNewNames = this._hasOnlyNewNames;
    this._hasOnlyNewNames =
      this._events >= MIN_NAMES && this._names.size === this._events;
    if (this._hasOnlyNewNames && !hadOnlyNewNames) {
      // What spoke for a plot so far was that mistake.
      this._votes.clear();
    }
    return this._hasOnlyNewNames;
  }

  private _kind: SuggestedKind | null = null;
  private _newest: SuggestedKind | null = null;
  private _disagreeing = 0;
  private _events = 0;
  private _firstAt = 0;
  private _listLength: number | null | undefined = undefined;
  private _hasOnlyNewNames = false;
  private readonly _names = new Set<string>();
  private readonly _votes = new Map<SuggestedKind, number>();
}
