import { countEvents, describeLoss } from './texts';
import { formatCount } from './format';
import { element, setText } from './node';
import type { IViewContext } from './context';
import type { StreamModel } from '../model/stream';

const UPDATE_MS = 100;

/** The last line of a card: how much came, what is missing, who else watches, when the newest came. */
export class Footer {
  constructor(private readonly _context: IViewContext) {
    this._time.title = 'When the newest event was appended';
    this.node.append(
      this._events,
      this._gaps,
      this._watching,
      this._note,
      this._time
    );
  }

  readonly node = element('div', 'jp-SseView-footer');

  /** Show where the stream stands; at most ten times a second, so that it can be read. */
  update(model: StreamModel): void {
    const now = performance.now();
    if (now - this._updatedAt < UPDATE_MS) {
      return;
    }
    this._updatedAt = now;
    const { timeFormat, paintClock } = this._context;
    setText(this._events, countEvents(model));
    const { losses } = model;
    this._gaps.hidden = losses.gaps === 0;
    if (losses.gaps > 0) {
      setText(this._gaps, `▨ ${describeLoss(losses)}`);
    }
    const { subscribers } = model;
    setText(
      this._watching,
      subscribers === null ? '' : `${formatCount(subscribers)} watching`
    );
    setText(this._note, paintClock.isSlowed ? 'drawing slowed' : '');
    setText(
      this._time,
      Number.isNaN(model.lastAt) ? '' : timeFormat.exactTime(model.lastAt)
    );
  }

  private _updatedAt = -Infinity;
  private readonly _events = element('span', 'jp-SseView-events');
  private readonly _gaps = element('span', 'jp-SseView-gaps');
  private readonly _watching = element('span', 'jp-SseView-watching');
  private readonly _note = element('span', 'jp-SseView-note');
  private readonly _time = element('span', 'jp-SseView-time');
}
