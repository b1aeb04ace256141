import type { StreamModel } from '../model/stream';
import type { IViewContext } from './context';
import { button, element, setText } from './node';
import { type IStatus, STATUS_WORDS, type StatusKind } from './status';
import { describeGaps, describeStatus, type ISentence } from './texts';

/** An outage shorter than this is not worth a sentence. */
const PATIENCE_MS = 1_500;
const TRANSIENT_MS = 4_000;

/** What a card says in words about its stream, on the card and to a screen reader. */
export class Notice {
  /** @param _onSwitch - the user wants the view that fits the newest events */
  constructor(
    private readonly _model: StreamModel,
    private readonly _context: IViewContext,
    private readonly _onSwitch: () => void
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

  /** The connection's state has changed. */
  noteConnection(): void {
    const isAway = this._context.connection.state.kind !== 'open';
    if (isAway && this._lostAt === null && this._model.isReady) {
      this._lostAt = this._model.serverClock.now();
      this._gapsBefore = this._model.gaps.length;
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
    if (outageMs >= PATIENCE_MS) {
      const gaps = this._model.gaps.slice(this._gapsBefore);
      this.saySoon(
        gaps.length > 0
          ? `Reconnected. ${describeGaps(gaps)}.`
          : 'Reconnected. Nothing was lost.'
      );
    }
  }

  /** Tell a screen reader of a state that is new. */
  announce(kind: StatusKind): void {
    const before = this._announced;
    if (kind === before) {
      return;
    }
    this._announced = kind;
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
      return { text: this._transient.text, remedy: null, isError: false };
    }
    const isBrief =
      status.kind === 'reconnecting' &&
      now - (status.since ?? now) < PATIENCE_MS;
    const said = isBrief
      ? null
      : describeStatus(status, this._model, now, this._context.timeFormat);
    return said && { ...said, text: said.text + addition };
  }

  /** Write a sentence into its place. */
  show(home: HTMLElement, sentence: ISentence | null): void {
    home.dataset.error = String(sentence?.isError ?? false);
    const remedy = sentence?.remedy ?? '';
    if (home.dataset.remedy !== remedy || home.childElementCount === 0) {
      // The button stays while the text beside it counts down.
      home.dataset.remedy = remedy;
      home.replaceChildren(element('span', ''), ...this._remedy(sentence));
    }
    setText(home.firstElementChild!, sentence?.text ?? '');
  }

  private _remedy(sentence: ISentence | null): HTMLElement[] {
    const { connection, actions } = this._context;
    switch (sentence?.remedy ?? null) {
      case 'retry':
        return [button('Try now', () => connection.retryNow())];
      case 'reload':
        return [button('Reload', () => actions.reloadPage())];
      case 'switch':
        return [button('Switch', this._onSwitch)];
      default:
        return [];
    }
  }

  private _lostAt: number | null = null;
  private _gapsBefore = 0;
  private _transient = { text: '', until: 0 };
  private _announced: StatusKind | null = null;
}
