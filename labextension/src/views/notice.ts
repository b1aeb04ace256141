import type { IGap } from '../model/event';
import type { StreamModel } from '../model/stream';
import type { IViewContext } from './context';
import { button, element, setText } from './node';
import { REMEDY_LABELS } from './remedies';
import { type IStatus, STATUS_WORDS, type StatusKind } from './status';
import { describeReturn, describeStatus, type ISentence, say } from './texts';

/** An outage shorter than this is not worth a sentence. */
const PATIENCE_MS = 1_500;
const TRANSIENT_MS = 4_000;
/** What an outage has cost is offered for this long; the footer tells it after that. */
const LOSS_MS = 60_000;

/** What a card says in words about its stream, on the card and to a screen reader. */
export class Notice {
  /** @param _remedyOf - what the button beside a sentence does; `null` for no button */
  constructor(
    private readonly _model: StreamModel,
    private readonly _context: IViewContext,
    private readonly _remedyOf: (sentence: ISentence) => (() => void) | null
  ) {}

  /** Since when there is no connection (unix ms of the server), or `null`. */
  get offlineSince(): number | null {
    return this._context.connection.state.kind === 'open' ? null : this._lostAt;
  }

  /** Say something for a moment. */
  saySoon(text: string): void {
    this._transient = { text, until: Date.now() + TRANSIENT_MS };
    this._context.announcer.say(text);
  }

  /** Show what there is to know beyond the sentence, until the state changes. */
  tellMore(): void {
    this._tellsMore = true;
  }

  /** The connection's state has changed. */
  noteConnection(): void {
    const isAway = this._context.connection.state.kind !== 'open';
    if (isAway && this._lostAt === null && this._model.isReady) {
      this._lostAt = this._model.serverClock.now();
      this._gapsBefore = new Set(this._model.gaps);
    }
  }

  /** After an outage, say what became of it as soon as everything has been read. */
  noteEvents(): void {
    const isBack = this._context.connection.state.kind === 'open';
    if (this._lostAt === null || !isBack || !this._model.isReady) {
      return;
    }
    const outageMs = this._model.serverClock.now() - this._lostAt;
    this._lostAt = null;
    const missed = this._model.gaps.filter(gap => !this._gapsBefore.has(gap));
    if (missed.length > 0) {
      this._missed = { gaps: missed, until: Date.now() + LOSS_MS };
      this._context.announcer.say(describeReturn(missed).text);
    } else if (outageMs >= PATIENCE_MS) {
      this.saySoon('Reconnected. Nothing was lost.');
    }
  }

  /** Tell a screen reader of a state that is new. */
  announce(kind: StatusKind): void {
    const before = this._announced;
    if (kind === before) {
      return;
    }
    this._announced = kind;
    this._tellsMore = false;
    const text = `Stream ${this._model.name}: ${STATUS_WORDS[kind][1]}.`;
    if (kind === 'failed') {
      this._context.announcer.alert(text);
    } else if (before !== null && before !== 'connecting') {
      this._context.announcer.say(text);
    }
  }

  /**
   * The sentence to show now, or `null`.
   *
   * @param addition - what to add to a state's sentence
   */
  sentence(status: IStatus, addition: string): ISentence | null {
    const now = Date.now();
    if (now < this._transient.until) {
      return say(this._transient.text);
    }
    const isBrief =
      status.kind === 'reconnecting' &&
      now - (status.since ?? now) < PATIENCE_MS;
    const said = isBrief
      ? null
      : describeStatus(status, this._model, now, this._context.timeFormat);
    if (said === null) {
      return now < this._missed.until
        ? describeReturn(this._missed.gaps)
        : null;
    }
    const text = said.text + addition;
    return this._tellsMore
      ? { ...said, text, remedy: null }
      : { ...said, text, details: '' };
  }

  /** Write a sentence into its place. */
  show(home: HTMLElement, sentence: ISentence | null): void {
    this._sentence = sentence;
    home.dataset.error = String(sentence?.isError ?? false);
    const remedy = this._remedy === null ? null : sentence!.remedy;
    const wanted = remedy ?? '';
    if (home.dataset.remedy !== wanted || home.childElementCount === 0) {
      // The button stays while the text beside it counts down.
      home.dataset.remedy = wanted;
      home.replaceChildren(
        element('span', ''),
        ...(remedy === null
          ? []
          : [button(REMEDY_LABELS[remedy], () => this._remedy?.())]),
        element('pre', 'jp-SseView-details')
      );
    }
    setText(home.firstElementChild!, sentence?.text ?? '');
    setText(home.lastElementChild!, sentence?.details ?? '');
  }

  /** What the button does: now, since cells may have moved after it was made. */
  private get _remedy(): (() => void) | null {
    return this._sentence && this._remedyOf(this._sentence);
  }

  private _sentence: ISentence | null = null;
  private _tellsMore = false;
  private _missed: { gaps: readonly IGap[]; until: number } = {
    gaps: [],
    until: 0
  };
  private _lostAt: number | null = null;
  private _gapsBefore: ReadonlySet<IGap> = new Set();
  private _transient = { text: '', until: 0 };
  private _announced: StatusKind | null = null;
}
