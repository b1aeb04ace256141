import type { LabIcon } from '@jupyterlab/ui-components';

import type { ViewKind } from '../tokens';
import { formatCount, formatRate } from './format';
import {
  caretIcon,
  kindIcons,
  moreIcon,
  pauseIcon,
  resumeIcon,
  stopIcon
} from './icons';
import { element, setText } from './node';
import { type IStatus, STATUS_WORDS, type StatusKind } from './status';

export const KIND_LABELS: { readonly [Kind in ViewKind]: string } = {
  plot: 'Plot',
  log: 'Log',
  table: 'Table',
  value: 'Value',
  progress: 'Progress',
  raw: 'Raw'
};

/** States in which there is a producer to stop. */
const STOPPABLE = new Set<StatusKind>([
  'live',
  'waiting',
  'lost',
  'catching-up'
]);

/** What the header shows. */
export interface IHeaderState {
  readonly kind: ViewKind;
  readonly name: string;
  readonly origin: string;
  readonly status: IStatus;
  readonly rate: number;
  readonly isPaused: boolean;
  /** Events that came while paused. */
  readonly unseen: number;
  /** The window in use, or `null` for views without one. */
  readonly window: string | null;
  readonly isStopping: boolean;
  /** Whether the stream is one that can be stopped: not a run for this reader alone. */
  readonly canBeStopped: boolean;
}

/** What its buttons do; each gets the button to open a menu at. */
export interface IHeaderActions {
  chooseKind(anchor: HTMLElement): void;
  togglePause(): void;
  chooseWindow(anchor: HTMLElement): void;
  stop(): void;
  more(anchor: HTMLElement): void;
}

/** The toolbar of a card: what is shown on the left, how it is on the right. */
export class Header {
  constructor(actions: IHeaderActions) {
    this._kind = menuButton('View', () => actions.chooseKind(this._kind));
    this._pause = iconButton('Pause (Space)', () => actions.togglePause());
    this._window = menuButton('Window', () =>
      actions.chooseWindow(this._window)
    );
    this._stop = iconButton('Stop the stream', () => actions.stop());
    this._stop.classList.add('jp-mod-stop');
    stopIcon.element({ container: this._stop });
    this._more = iconButton('More…', () => actions.more(this._more));
    moreIcon.element({ container: this._more });
    this.node.setAttribute('role', 'toolbar');
    this._shape.setAttribute('aria-hidden', 'true');
    this._state.append(this._shape, this._word);
    const middle = element('div', 'jp-SseView-middle');
    this.node.append(
      this._kind,
      this._name,
      this._origin,
      middle,
      this._state,
      this._rate,
      this._pause,
      this._window,
      this._stop,
      this._more
    );
    this.slot = middle;
    this.node.addEventListener('keydown', event => this._moveFocus(event));
  }

  readonly node = element('div', 'jp-SseView-header');
  /** Where a view of one row stands. */
  readonly slot: HTMLElement;

  update(state: IHeaderState): void {
    this._showKind(state.kind);
    setText(this._name, state.name);
    this._name.title = state.name;
    setText(this._origin, state.origin);
    this._showState(state);
    const isLive = state.status.kind === 'live';
    setText(this._rate, isLive ? `${formatRate(state.rate)} events/s` : '');
    this._showPause(state.isPaused);
    this._window.hidden = state.window === null;
    setMenuLabel(this._window, state.window ?? '');
    const canStop = STOPPABLE.has(state.status.kind) && !state.isStopping;
    this._stop.disabled = !canStop;
    this._stop.hidden = !state.canBeStopped;
  }

  private _showKind(kind: ViewKind): void {
    if (this._kind.dataset.kind !== kind) {
      this._kind.dataset.kind = kind;
      setIcon(this._kind.querySelector('.jp-SseView-icon')!, kindIcons[kind]);
    }
    setMenuLabel(this._kind, KIND_LABELS[kind]);
  }

  private _showState({
    status,
    isPaused,
    unseen,
    isStopping
  }: IHeaderState): void {
    const [shape, word] = STATUS_WORDS[status.kind];
    if (isPaused) {
      this._state.dataset.state = 'paused';
      setText(this._shape, '❚❚');
      const more = unseen > 0 ? ` · ${formatCount(unseen)} new` : '';
      setText(this._word, `paused${more}`);
      return;
    }
    this._state.dataset.state = status.kind;
    setText(this._shape, shape);
    setText(this._word, isStopping ? 'stopping' : word + countdown(status));
  }

  private _showPause(isPaused: boolean): void {
    const wanted = String(isPaused);
    if (this._pause.dataset.paused !== wanted) {
      this._pause.dataset.paused = wanted;
      this._pause.title = isPaused ? 'Resume (Space)' : 'Pause (Space)';
      this._pause.setAttribute('aria-label', this._pause.title);
      this._pause.setAttribute('aria-pressed', wanted);
      setIcon(this._pause, isPaused ? resumeIcon : pauseIcon);
    }
  }

  /** One tab stop, arrows within: JupyterLab's toolbar pattern. */
  private _moveFocus(event: KeyboardEvent): void {
    const step =
      event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const buttons = [
      ...this.node.querySelectorAll<HTMLButtonElement>(':scope > button')
    ].filter(button => !button.disabled && button.offsetParent !== null);
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (step !== 0 && at >= 0) {
      event.preventDefault();
      event.stopPropagation();
      buttons[(at + step + buttons.length) % buttons.length].focus();
    }
  }

  private readonly _kind: HTMLButtonElement;
  private readonly _name = element('span', 'jp-SseView-name');
  private readonly _origin = element('span', 'jp-SseView-origin');
  private readonly _state = element('span', 'jp-SseView-state');
  private readonly _shape = element('span', 'jp-SseView-stateShape');
  private readonly _word = element('span', 'jp-SseView-stateWord');
  private readonly _rate = element('span', 'jp-SseView-rate');
  private readonly _pause: HTMLButtonElement;
  private readonly _window: HTMLButtonElement;
  private readonly _stop: HTMLButtonElement;
  private readonly _more: HTMLButtonElement;
}

function countdown({ retryAt }: IStatus): string {
  if (retryAt === null) {
    return '';
  }
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  return seconds > 0 ? ` in ${seconds} s` : '';
}

function iconButton(label: string, onClick: () => void): HTMLButtonElement {
  const node = element('button', 'jp-SseView-button');
  node.type = 'button';
  node.title = label;
  node.setAttribute('aria-label', label);
  node.addEventListener('click', onClick);
  return node;
}

function menuButton(label: string, onClick: () => void): HTMLButtonElement {
  const node = iconButton(label, onClick);
  node.classList.add('jp-mod-menu');
  node.setAttribute('aria-haspopup', 'menu');
  const caret = element('span', 'jp-SseView-caret');
  caretIcon.element({ container: caret });
  node.append(
    element('span', 'jp-SseView-icon'),
    element('span', 'jp-SseView-buttonLabel'),
    caret
  );
  return node;
}

function setMenuLabel(node: HTMLElement, label: string): void {
  setText(node.querySelector('.jp-SseView-buttonLabel')!, label);
  node.setAttribute('aria-label', `${node.title}: ${label}`);
}

function setIcon(container: HTMLElement, icon: LabIcon): void {
  container.replaceChildren();
  icon.element({ container });
}
