import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { StreamModel } from '../model/stream';
import type { IModelLease } from '../model/streams';
import { Body } from './body';
import { handleKey } from './cardKeys';
import { chooseKind, chooseMore, chooseWindow } from './cardMenus';
import type { IViewContext } from './context';
import { type IDisplay, readOptions } from './display';
import { Footer } from './footer';
import { Header } from './header';
import { viewKindOf } from './kinds';
import type { IRemembered } from './memory';
import { element } from './node';
import { Notice } from './notice';
import type { IPainter } from './paintClock';
import { remedyOf } from './remedies';
import { type IStatus, type StatusKind, statusOf } from './status';
import { type ISentence, say } from './texts';
import type { IView, IViewHost } from './view';

/** States in which nothing will appear by itself: they need no room for a picture. */
const HOPELESS = new Set<StatusKind>([
  'unknown',
  'ended',
  'stopped',
  'gone',
  'failed',
  'missing',
  'forbidden',
  'signed-out'
]);

/** The live view of one stream: toolbar, picture, and what there is to say. */
export class Card extends Widget implements IViewHost, IPainter {
  /**
   * @param memoryKey - tells under which key the user's choices are kept, `null` for nowhere; asked when the card is
   * attached, because before it nobody knows where it stands
   */
  constructor(
    readonly context: IViewContext,
    display: IDisplay,
    private readonly _memoryKey: () => string | null
  ) {
    super();
    this._display = display;
    this._lease = context.lease(display.stream);
    this.model = this._lease.model;
    this._header = new Header({
      chooseKind: anchor => chooseKind(this, anchor),
      togglePause: () => this.togglePause(),
      chooseWindow: anchor => chooseWindow(this, anchor),
      stop: () => void this.stop(),
      more: anchor => chooseMore(this, anchor)
    });
    this._body = new Body(this, this._header.slot, {
      onHeight: height => this.remember({ height }),
      onLive: () => this.goLive()
    });
    this._footer = new Footer(context);
    this._notice = new Notice(this.model, context, sentence =>
      remedyOf(this, sentence)
    );
    this._build();
    this.model.changed.connect(this._onModel, this);
    context.connection.stateChanged.connect(this._onConnection, this);
    context.settingsChanged.connect(this._onSettings, this);
    this.refresh();
  }

  readonly model: StreamModel;

  get status(): IStatus {
    return statusOf(this.model, this.context.connection.state);
  }

  get x(): string | null {
    return this._remembered.x ?? this._options.x;
  }

  get y(): readonly string[] | null {
    return this._options.y;
  }

  get window(): string | null {
    return this._remembered.window ?? this._options.window;
  }

  get hidden(): ReadonlySet<string> {
    return this._hidden;
  }

  get isPaused(): boolean {
    return this._pausedAt !== null;
  }

  get offlineSince(): number | null {
    return this._notice.offlineSince;
  }

  /** The view the card shows, or `null` while there is nothing to view. */
  get view(): IView | null {
    return this._body.view;
  }

  /** The kind in use, as it was named; `null` before the first event of a stream whose kind nobody chose. */
  get kind(): string | null {
    return (
      this._remembered.kind ?? this._options.kind ?? this.model.suggestedKind
    );
  }

  /** Whether the card shows what the cell it stands in has started. */
  get isOfRun(): boolean {
    return this._display.run !== null;
  }

  /** Show what there is to know beyond the sentence about the state. */
  tellMore(): void {
    this._notice.tellMore();
    this.refresh();
  }

  /** Change one of the user's choices and keep it; `undefined` leaves it to the rules again. */
  remember(change: Partial<IRemembered>): void {
    this._remembered = { ...this._remembered, ...change };
    const key = this._memoryKey();
    if (key !== null) {
      this.context.memory.save(key, this._remembered);
    }
    this._renew();
  }

  showAs(kind: string | null): void {
    this.remember({ kind: kind ?? undefined });
  }

  setWindow(window: string | null): void {
    this.remember({ window: window ?? undefined });
  }

  hideSeries(hidden: ReadonlySet<string>): void {
    this._hidden = hidden;
    this.remember({ hidden: [...hidden] });
  }

  /** Set the height of the picture: CSS px, within bounds. */
  setHeight(height: number): void {
    this._body.setHeight(height);
  }

  /** The output was rendered again: the same stream, perhaps with a newer picture. */
  refreshDisplay(display: IDisplay): void {
    const before = JSON.stringify(this._display.view);
    this._display = display;
    if (this.model.events > 0 && JSON.stringify(display.view) === before) {
      // What is saved changes nothing of what is live, nor of what is paused.
      this.refresh();
    } else {
      this._renew();
    }
  }

  togglePause(): void {
    if (this.isPaused) {
      this.goLive();
    } else {
      this._pausedAt = this.model.events;
      this.refresh();
    }
  }

  /** Follow the newest end, in one frame. */
  goLive(): void {
    this._pausedAt = null;
    this.view?.goLive();
    this._renew();
  }

  /** End the stream: its producer is stopped. */
  async stop(): Promise<void> {
    this._isStopping = true;
    this.refresh();
    try {
      await this.context.actions.stop(this.model.name);
    } catch (error) {
      this._isStopping = false;
      this._notice.saySoon(
        error instanceof Error ? error.message : String(error)
      );
    }
    this.refresh();
  }

  /** A run that takes place for this reader alone ends when nobody reads it: there is nothing to stop. */
  get canBeStopped(): boolean {
    return this.model.runInfo?.isOwn !== true;
  }

  get isInView(): boolean {
    return this._isOnScreen && this.isAttached;
  }

  get isMoving(): boolean {
    return this.view?.isMoving ?? false;
  }

  wantsFrame(): boolean {
    const hasNews = this._paintedVersion !== this.model.version;
    return (
      this._isStale ||
      (hasNews && !this.isPaused) ||
      (this.view?.wantsFrame() ?? false)
    );
  }

  paintFrame(): void {
    this._isStale = false;
    this._paintedVersion = this.model.version;
    this._choosePicture();
    this._body.paint();
    this._footer.update(this.model);
  }

  requestPaint(): void {
    this._isStale = true;
    this.context.paintClock.request();
  }

  refresh(): void {
    const { status } = this;
    this._notice.announce(status.kind);
    this._isStopping &&= status.kind === this._statusKind;
    this._statusKind = status.kind;
    this.node.dataset.state = status.kind;
    this._header.update({
      kind: viewKindOf(this.kind ?? this._display.snapshot?.kind ?? 'plot'),
      name: this.model.name,
      origin: this._originText(),
      status,
      rate: this.model.rate,
      isPaused: this.isPaused,
      unseen: this.model.events - (this._pausedAt ?? 0),
      window: this.view?.windowMenu?.label ?? null,
      isStopping: this._isStopping,
      canBeStopped: this.canBeStopped
    });
    this._showSentence(status);
    this._footer.update(this.model);
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._painting?.dispose();
    this._body.dispose();
    this._onScreen.disconnect();
    this.model.changed.disconnect(this._onModel, this);
    this.context.connection.stateChanged.disconnect(this._onConnection, this);
    this.context.settingsChanged.disconnect(this._onSettings, this);
    this._lease.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._onScreen.observe(this.node);
    this._body.observe();
    // Before JupyterLab's own shortcuts, which would act on the cell.
    window.addEventListener('keydown', this._onKey, true);
    this._painting ??= this.context.paintClock.add(this);
    this._restore();
    this.requestPaint();
  }

  protected override onBeforeDetach(message: Message): void {
    window.removeEventListener('keydown', this._onKey, true);
    this._onScreen.disconnect();
    this._body.unobserve();
    this._painting?.dispose();
    this._painting = null;
    super.onBeforeDetach(message);
  }

  private _build(): void {
    const { name } = this.model;
    this.addClass('jp-SseView');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', `Live view of stream ${name}`);
    // For tests in a browser: the page's own numbers, without reading pixels.
    Object.assign(this.node, { sseModel: this.model });
    this.node.append(
      this._header.node,
      this._body.node,
      this._body.grip,
      this._sentenceNode,
      this._footer.node
    );
    this.setHeight(this.context.settings.chartHeight);
  }

  private _restore(): void {
    const key = this._memoryKey();
    if (key === null || this._isRestored) {
      return;
    }
    this._isRestored = true;
    void this.context.memory.load(key).then(kept => {
      if (this.isDisposed) {
        return;
      }
      // What the user did meanwhile is newer than what was kept.
      this._remembered = { ...kept, ...this._remembered };
      this._hidden = new Set(this._remembered.hidden ?? []);
      if (this._remembered.height !== undefined) {
        this.setHeight(this._remembered.height);
      }
      this._renew();
    });
  }

  /** What the output says, then what the run's own options say. */
  private get _options(): IDisplay['view'] {
    const { view } = this._display;
    const run = readOptions(this.model.runInfo?.view ?? {});
    return {
      kind: view.kind ?? run.kind,
      x: view.x ?? run.x,
      y: view.y ?? run.y,
      window: view.window ?? run.window
    };
  }

  private _originText(): string {
    // The run knows best: another cell than the output's may have started it.
    const origin = this.model.runInfo?.origin || this._display.origin;
    const { run } = this.model;
    return [origin, run === null ? '' : `run ${run}`]
      .filter(part => part !== '')
      .join(' · ');
  }

  /** Something was chosen: show it everywhere. */
  private _renew(): void {
    this._choosePicture();
    this.refresh();
    this.requestPaint();
  }

  private _choosePicture(): void {
    const hasEvents = this.model.events > 0;
    this._body.showSnapshot(hasEvents ? null : this._display.snapshot);
    if (this._body.showView(hasEvents ? this.kind : null)) {
      const isCompact = this.view?.isCompact ?? false;
      this.toggleClass('jp-mod-compact', isCompact);
      this.refresh();
    }
  }

  private _showSentence(status: IStatus): void {
    const hasPicture = this.model.events > 0 || this._body.hasSnapshot;
    const { savedAt } = this._display;
    const { timeFormat } = this.context;
    const saved =
      this._body.hasSnapshot && savedAt !== null
        ? ` Last saved ${timeFormat.dayAndMinute(savedAt)}.`
        : '';
    const sentence = this._notice.sentence(status, saved) ?? this._hint();
    const { placeholder } = this._body;
    placeholder.hidden = hasPicture;
    this._sentenceNode.hidden = !hasPicture || sentence === null;
    const isHopeless = this.model.events === 0 && HOPELESS.has(status.kind);
    this.toggleClass('jp-mod-empty', isHopeless && !hasPicture);
    this.toggleClass('jp-mod-flat', isHopeless && this._body.isFlat);
    this._footer.node.hidden = isHopeless;
    this._notice.show(hasPicture ? this._sentenceNode : placeholder, sentence);
  }

  /** The events no longer look like what is shown. */
  private _hint(): ISentence | null {
    const hinted = this.model.hintedKind;
    const isChosen =
      this._remembered.kind !== undefined || this._options.kind !== null;
    if (hinted === null || isChosen) {
      return null;
    }
    return say(`These events now look like a ${viewKindOf(hinted)}.`, 'switch');
  }

  private _onModel(): void {
    this._notice.noteEvents();
    if (this.model.generation !== this._generation) {
      // Another run: what was paused or left is no more.
      this._generation = this.model.generation;
      this.goLive();
    } else if (this._statusKind !== this.status.kind) {
      this.refresh();
    }
    this.context.paintClock.requestNews();
  }

  private _onConnection(): void {
    this._notice.noteConnection();
    this.refresh();
    this.requestPaint();
  }

  private _onSettings(): void {
    if (this._remembered.height === undefined) {
      this.setHeight(this.context.settings.chartHeight);
    }
    this.requestPaint();
  }

  private readonly _onKey = (event: KeyboardEvent): void => {
    const isOurs =
      this.node.contains(event.target as Node | null) &&
      !(event.ctrlKey || event.metaKey || event.altKey);
    if (isOurs && handleKey(this, event)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };

  private readonly _onScreen = new IntersectionObserver(entries => {
    this._isOnScreen = entries[entries.length - 1].isIntersecting;
    if (this._isOnScreen) {
      this.refresh();
      this.requestPaint();
    }
  });

  private readonly _lease: IModelLease;
  private readonly _header: Header;
  private readonly _body: Body;
  private readonly _footer: Footer;
  private readonly _notice: Notice;
  private readonly _sentenceNode = element('div', 'jp-SseView-notice');
  private _display: IDisplay;
  private _remembered: IRemembered = {};
  private _isRestored = false;
  private _hidden: ReadonlySet<string> = new Set();
  private _painting: IDisposable | null = null;
  private _statusKind: StatusKind | null = null;
  private _pausedAt: number | null = null;
  private _isStopping = false;
  private _isOnScreen = true;
  private _isStale = true;
  private _paintedVersion = -1;
  private _generation = 0;
}
