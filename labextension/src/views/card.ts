import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { StreamModel } from '../model/stream';
import type { IModelLease } from '../model/streams';
import { chooseKind, chooseMore, chooseWindow } from './cardMenus';
import type { IViewContext } from './context';
import { type IDisplay, readOptions } from './display';
import { formatCount } from './format';
import { Footer } from './footer';
import { Header } from './header';
import { makeView, viewKindOf } from './kinds';
import type { IRemembered } from './memory';
import { button, element, setText } from './node';
import type { IPainter } from './paintClock';
import { SnapshotView } from './snapshotView';
import { type IStatus, STATUS_WORDS, statusOf } from './status';
import { describeStatus, type ISentence, count } from './texts';
import type { IView, IViewHost } from './view';

const MIN_HEIGHT_PX = 120;
const MAX_HEIGHT_PX = 800;
/** An outage shorter than this is not worth a line. */
const PATIENCE_MS = 1_500;
const TRANSIENT_MS = 4_000;
/** States in which nothing will appear by itself: they need no room for a picture. */
const HOPELESS = new Set<IStatus['kind']>([
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
   * @param memoryKey - under which the user's choices are kept, or `null` for nowhere
   */
  constructor(
    readonly context: IViewContext,
    display: IDisplay,
    private readonly _memoryKey: string | null
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
    this._footer = new Footer(context);
    this._build();
    this._restore();
    this.model.changed.connect(this._onModel, this);
    context.connection.stateChanged.connect(this._onConnection, this);
    context.settingsChanged.connect(this._onSettings, this);
    // For tests in a browser: the page's own numbers, without reading pixels.
    Object.assign(this.node, { sseModel: this.model });
    this.refresh();
  }

  readonly model: StreamModel;

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
    return this._hiddenSeries;
  }

  get isPaused(): boolean {
    return this._pausedAt !== null;
  }

  get offlineSince(): number | null {
    const { connection } = this.context;
    return connection.state.kind === 'open' ? null : this._lostAt;
  }

  /** The view the card shows, or `null` before the first event of a stream whose kind is not known. */
  get view(): IView | null {
    return this._view;
  }

  /** The kind in use, as it was named. */
  get kind(): string | null {
    return (
      this._remembered.kind ??
      this._options.kind ??
      this.model.suggestedKind ??
      null
    );
  }

  get status(): IStatus {
    return statusOf(this.model, this.context.connection.state);
  }

  /** Change one of the user's choices and keep it. */
  remember(change: Partial<IRemembered>): void {
    this._remembered = { ...this._remembered, ...change };
    if (this._memoryKey !== null) {
      this.context.memory.save(this._memoryKey, this._remembered);
    }
    this._syncView();
    this.requestPaint();
  }

  setWindow(window: string | null): void {
    this.remember({ window: window ?? undefined });
  }

  hideSeries(hidden: ReadonlySet<string>): void {
    this._hiddenSeries = hidden;
    this.remember({ hidden: [...hidden] });
  }

  /** The output was rendered again: the same stream, perhaps with a newer picture. */
  refreshDisplay(display: IDisplay): void {
    this._display = display;
    this._dropSnapshot();
    this._syncView();
    this.refresh();
  }

  togglePause(): void {
    this._pausedAt = this.isPaused ? null : this.model.events;
    if (!this.isPaused) {
      this._view?.goLive();
    }
    this.requestPaint();
    this.refresh();
  }

  goLive(): void {
    this._pausedAt = null;
    this._view?.goLive();
    this.requestPaint();
    this.refresh();
  }

  /** End the stream: its producer is stopped. */
  async stop(): Promise<void> {
    this._isStopping = true;
    this.refresh();
    try {
      await this.context.actions.stop(this.model.name);
    } catch (error) {
      this._isStopping = false;
      this._saySoon(error instanceof Error ? error.message : String(error));
    }
    this.refresh();
  }

  // --- painting -------------------------------------------------------------------------------------------------

  get isInView(): boolean {
    return this._isOnScreen && this.isAttached;
  }

  get isMoving(): boolean {
    return this._view?.isMoving ?? false;
  }

  wantsFrame(): boolean {
    const hasNews = this._paintedVersion !== this.model.version;
    return (
      this._isStale ||
      (hasNews && !this.isPaused) ||
      (this._view?.wantsFrame() ?? false)
    );
  }

  paintFrame(): void {
    this._isStale = false;
    this._paintedVersion = this.model.version;
    this._syncView();
    if (this._snapshot !== null) {
      this._snapshot.paint(this._width, this._height);
    } else {
      this._view?.paint();
    }
    this._footer.update(this.model);
    this._showChip();
  }

  requestPaint(): void {
    this._isStale = true;
    this.context.paintClock.request();
  }

  refresh(): void {
    const { status } = this;
    this._announce(status);
    const kind = viewKindOf(this.kind ?? 'plot');
    this._header.update({
      kind,
      name: this.model.name,
      origin: this._originText(),
      status,
      rate: this.model.rate,
      isPaused: this.isPaused,
      unseen: this.model.events - (this._pausedAt ?? 0),
      window: this._view?.windowMenu?.label ?? null,
      isStopping: this._isStopping
    });
    this._showSentence(status);
    this._footer.update(this.model);
  }

  // --- the widget's life ----------------------------------------------------------------------------------------

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._painting?.dispose();
    this._view?.dispose();
    this._dropSnapshot();
    this._onScreen.disconnect();
    this._room.disconnect();
    this.model.changed.disconnect(this._onModel, this);
    this.context.connection.stateChanged.disconnect(this._onConnection, this);
    this.context.settingsChanged.disconnect(this._onSettings, this);
    this._lease.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._onScreen.observe(this.node);
    this._room.observe(this._body);
    // Before JupyterLab's own shortcuts, which would act on the cell.
    window.addEventListener('keydown', this._onKey, true);
    this._painting ??= this.context.paintClock.add(this);
    this.requestPaint();
  }

  protected override onBeforeDetach(message: Message): void {
    window.removeEventListener('keydown', this._onKey, true);
    this._onScreen.disconnect();
    this._room.disconnect();
    this._painting?.dispose();
    this._painting = null;
    super.onBeforeDetach(message);
  }

  private _build(): void {
    this.addClass('jp-SseView');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute(
      'aria-label',
      `Live view of stream ${this.model.name}`
    );
    this._chip.type = 'button';
    this._chip.hidden = true;
    this._chip.addEventListener('click', () => this.goLive());
    this._body.append(this._placeholder, this._chip);
    this._grip.addEventListener('pointerdown', event => this._drag(event));
    this.node.append(
      this._header.node,
      this._body,
      this._notice,
      this._grip,
      this._footer.node
    );
    this.setHeight(this.context.settings.chartHeight);
  }

  private _restore(): void {
    if (this._memoryKey === null) {
      return;
    }
    void this.context.memory.load(this._memoryKey).then(remembered => {
      if (this.isDisposed) {
        return;
      }
      // What the user did meanwhile is newer than what was kept.
      this._remembered = { ...remembered, ...this._remembered };
      this._hiddenSeries = new Set(this._remembered.hidden ?? []);
      if (this._remembered.height !== undefined) {
        this.setHeight(this._remembered.height);
      }
      this._syncView();
      this.requestPaint();
    });
  }

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
    const origin = this._display.origin || this.model.runInfo?.origin || '';
    const { run } = this.model;
    return [origin, run === null ? '' : `run ${run}`]
      .filter(part => part !== '')
      .join(' · ');
  }

  /** Make the view that fits now, where it is another one. */
  private _syncView(): void {
    const { snapshot } = this._display;
    if (this.model.events === 0 && snapshot !== null) {
      this._showSnapshot(snapshot);
    } else if (this.model.events > 0) {
      this._dropSnapshot();
    }
    const kind = this.model.events > 0 ? this.kind : null;
    if (kind === this._viewKind) {
      return;
    }
    this._viewKind = kind;
    this._view?.dispose();
    this._view = null;
    if (kind !== null) {
      const view = makeView(kind, this);
      this._view = view;
      const home = view.isCompact ? this._header.slot : this._body;
      home.prepend(view.node);
      view.resize(this._width, this._height);
    }
    const isCompact = this._view?.isCompact ?? false;
    this.toggleClass('jp-mod-compact', isCompact);
    this._body.hidden = isCompact;
    this._grip.hidden = isCompact;
  }

  private _showSnapshot(snapshot: NonNullable<IDisplay['snapshot']>): void {
    if (this._snapshot === null) {
      this._snapshot = new SnapshotView(snapshot, this.context);
      this._body.prepend(this._snapshot.node);
      this._body.hidden = false;
    }
  }

  private _dropSnapshot(): void {
    this._snapshot?.dispose();
    this._snapshot = null;
  }

  private _showSentence(status: IStatus): void {
    const sentence = this._sentence(status);
    const hasPicture = this.model.events > 0 || this._snapshot !== null;
    const text = sentence?.text ?? '';
    this._placeholder.hidden = hasPicture;
    this.toggleClass('jp-mod-empty', !hasPicture && HOPELESS.has(status.kind));
    this._notice.hidden = !hasPicture || text === '';
    const home = hasPicture ? this._notice : this._placeholder;
    home.dataset.error = String(sentence?.isError ?? false);
    if (home.dataset.text !== text) {
      home.dataset.text = text;
      const remedy = this._remedy(sentence);
      home.replaceChildren(element('span', '', text), ...remedy);
    }
  }

  private _sentence(status: IStatus): ISentence | null {
    const now = Date.now();
    if (now < this._transient.until) {
      return { text: this._transient.text, remedy: null, isError: false };
    }
    const isBrief =
      status.kind === 'reconnecting' &&
      now - (status.since ?? now) < PATIENCE_MS;
    const said = isBrief
      ? null
      : describeStatus(status, this.model, now, this.context.timeFormat);
    if (said === null || this._snapshot === null) {
      return said ?? this._hint();
    }
    const { savedAt } = this._display;
    const saved =
      savedAt === null
        ? ''
        : ` Last saved ${this.context.timeFormat.dayAndMinute(savedAt)}.`;
    return { ...said, text: said.text + saved };
  }

  /** The events no longer look like what is shown. */
  private _hint(): ISentence | null {
    const hinted = this.model.hintedKind;
    const isChosen =
      this._remembered.kind !== undefined || this._options.kind !== null;
    return hinted === null || isChosen
      ? null
      : {
          text: `These events now look like another view: ${hinted}.`,
          remedy: null,
          isError: false
        };
  }

  private _remedy(sentence: ISentence | null): HTMLElement[] {
    switch (sentence?.remedy ?? null) {
      case 'retry':
        return [button('Try now', () => this.context.connection.retryNow())];
      case 'reload':
        return [button('Reload', () => this.context.actions.reloadPage())];
      default:
        return [];
    }
  }

  /** Say a state when it changes: on the card for a moment, and to a screen reader. */
  private _announce(status: IStatus): void {
    const before = this._statusKind;
    if (status.kind === before) {
      return;
    }
    this._statusKind = status.kind;
    const [, word] = STATUS_WORDS[status.kind];
    const text = `Stream ${this.model.name}: ${word}.`;
    if (status.kind === 'failed') {
      this.context.announcer.alert(text);
    } else if (before !== null && before !== 'connecting') {
      this.context.announcer.say(text);
    }
    if (status.kind !== 'live') {
      this._isStopping = false;
    }
  }

  private _showChip(): void {
    const leftAt = this._view?.leftAt ?? null;
    this._chip.hidden = leftAt === null || this.isPaused;
    if (leftAt !== null) {
      const unseen = Math.max(0, this.model.events - leftAt);
      const more = unseen > 0 ? ` (${formatCount(unseen)} new)` : '';
      setText(this._chip, `Go live ▸${more}`);
    }
  }

  private _saySoon(text: string): void {
    this._transient = { text, until: Date.now() + TRANSIENT_MS };
    this.context.announcer.say(text);
  }

  private _onModel(): void {
    if (this.model.generation !== this._generation) {
      // Another run: what was left or paused is no more.
      this._generation = this.model.generation;
      this._pausedAt = null;
      this._view?.goLive();
      this.refresh();
    }
    this._checkReturn();
    const isFirst = this.model.events > 0 && this._viewKind === null;
    const isOther = this._statusKind !== this.status.kind;
    if (isFirst || isOther) {
      this.refresh();
    }
    this.context.paintClock.request();
  }

  private _onConnection(): void {
    const isAway = this.context.connection.state.kind !== 'open';
    if (isAway && this._lostAt === null && this.model.isReady) {
      this._lostAt = this.model.serverClock.now();
      this._lostBefore = this.model.lost;
    }
    this.refresh();
    this.requestPaint();
  }

  /** After an outage, say what became of it as soon as everything has been read. */
  private _checkReturn(): void {
    const isBack = this.context.connection.state.kind === 'open';
    if (this._lostAt !== null && isBack && this.model.isReady) {
      const outageMs = this.model.serverClock.now() - this._lostAt;
      const lost = this.model.lost - this._lostBefore;
      this._lostAt = null;
      if (outageMs >= PATIENCE_MS) {
        this._saySoon(
          lost > 0
            ? `Reconnected. ${count(lost, 'event')} were lost.`
            : 'Reconnected. Nothing was lost.'
        );
      }
    }
  }

  private _onSettings(): void {
    if (this._remembered.height === undefined) {
      this.setHeight(this.context.settings.chartHeight);
    }
    this.requestPaint();
  }

  /** Set the height of the picture: CSS px, within bounds. */
  setHeight(height: number): void {
    this._height = Math.min(Math.max(height, MIN_HEIGHT_PX), MAX_HEIGHT_PX);
    this._body.style.height = `${this._height}px`;
  }

  private _drag(down: PointerEvent): void {
    down.preventDefault();
    const from = this._height;
    this._grip.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent): void => {
      this.setHeight(from + event.clientY - down.clientY);
    };
    this._grip.addEventListener('pointermove', move);
    this._grip.addEventListener(
      'pointerup',
      () => {
        this._grip.removeEventListener('pointermove', move);
        this.remember({ height: this._height });
      },
      { once: true }
    );
  }

  private readonly _onKey = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement | null;
    const isOurs =
      target !== null &&
      this.node.contains(target) &&
      !(event.ctrlKey || event.metaKey || event.altKey);
    if (isOurs && this._handleKey(event, target)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };

  private _handleKey(event: KeyboardEvent, target: HTMLElement): boolean {
    switch (event.key) {
      case ' ':
        if (target instanceof HTMLButtonElement) {
          return false;
        }
        this.togglePause();
        return true;
      case 'l':
      case 'L':
      case 'End':
        this.goLive();
        return true;
      case 't':
      case 'T':
        this.remember({ kind: this.kind === 'table' ? undefined : 'table' });
        return true;
      case 'd':
      case 'D':
        this.context.announcer.say(this._view?.describe() ?? '');
        return true;
      case 'Escape':
        this.node.closest<HTMLElement>('.jp-Cell')?.focus();
        return true;
      default:
        return this._view?.handleKey(event) ?? false;
    }
  }

  private readonly _onScreen = new IntersectionObserver(entries => {
    this._isOnScreen = entries[entries.length - 1].isIntersecting;
    if (this._isOnScreen) {
      this.refresh();
      this.requestPaint();
    }
  });

  private readonly _room = new ResizeObserver(() => {
    const { clientWidth, clientHeight } = this._body;
    if (clientWidth !== this._width || clientHeight !== this._paintedHeight) {
      this._width = clientWidth;
      this._paintedHeight = clientHeight;
      this._view?.resize(clientWidth, clientHeight);
      this.requestPaint();
    }
  });

  private readonly _lease: IModelLease;
  private readonly _header: Header;
  private readonly _footer: Footer;
  private readonly _body = element('div', 'jp-SseView-body');
  private readonly _placeholder = element('div', 'jp-SseView-placeholder');
  private readonly _notice = element('div', 'jp-SseView-notice');
  private readonly _grip = element('div', 'jp-SseView-grip');
  private readonly _chip = element('button', 'jp-SseView-chip');
  private _display: IDisplay;
  private _remembered: IRemembered = {};
  private _hiddenSeries: ReadonlySet<string> = new Set();
  private _view: IView | null = null;
  private _viewKind: string | null = null;
  private _snapshot: SnapshotView | null = null;
  private _painting: IDisposable | null = null;
  private _statusKind: IStatus['kind'] | null = null;
  private _pausedAt: number | null = null;
  private _lostAt: number | null = null;
  private _lostBefore = 0;
  private _transient = { text: '', until: 0 };
  private _isStopping = false;
  private _isOnScreen = true;
  private _isStale = true;
  private _paintedVersion = -1;
  private _generation = 0;
  private _width = 0;
  private _height = 0;
  private _paintedHeight = 0;
}
