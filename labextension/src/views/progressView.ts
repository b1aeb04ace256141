import { type IProgress, readProgress } from '../model/progress';
import { CompactView } from './compactView';
import { formatCount, formatDuration, formatRate } from './format';
import { element, setText } from './node';
import type { IViewHost } from './view';

/** How far something is: a bar, the count, the pace, and the time that is left. */
export class ProgressView extends CompactView {
  constructor(host: IViewHost) {
    super(host);
    this._bar.setAttribute('role', 'progressbar');
    this._bar.setAttribute('aria-valuemin', '0');
    this._bar.setAttribute('aria-valuemax', '100');
    this._bar.append(this._fill);
    this.node.append(this._label, this._bar, this._share, this._numbers);
  }

  describe(): string {
    return `Progress: ${this._share.textContent ?? ''} ${this._numbers.textContent ?? ''}.`;
  }

  protected show(): void {
    const { last } = this.host.model;
    const progress = last === null ? null : readProgress(last.value);
    if (last === null || progress === null) {
      setText(
        this._numbers,
        last === null ? '' : '“progress” needs n and total.'
      );
      return;
    }
    setText(this._label, progress.label);
    this._label.hidden = progress.label === '';
    const isKnown = progress.share !== null;
    const percent = Math.floor((progress.share ?? 0) * 100);
    this._bar.dataset.unknown = String(!isKnown);
    this._fill.style.width = isKnown ? `${(progress.share ?? 0) * 100}%` : '';
    if (isKnown) {
      this._bar.setAttribute('aria-valuenow', String(percent));
    } else {
      this._bar.removeAttribute('aria-valuenow');
    }
    setText(this._share, isKnown ? `${percent}%` : '');
    setText(this._numbers, this._describe(progress, last.event.at));
  }

  private _describe(progress: IProgress, at: number): string {
    const { done, total, unit, share } = progress;
    const elapsed = progress.elapsed ?? (at - this.host.model.firstAt) / 1000;
    const parts: string[] = [];
    if (done !== null) {
      const of = total === null ? '' : ` / ${formatCount(total)}`;
      parts.push(`${formatCount(done)}${of}`);
      const rate = progress.rate ?? (elapsed > 0 ? done / elapsed : 0);
      if (rate > 0) {
        parts.push(`${formatRate(rate)} ${unit || 'it'}/s`);
      }
    }
    const isRunning = share !== null && share > 0 && share < 1;
    const left =
      progress.remaining ??
      (isRunning ? (elapsed * (1 - share)) / share : null);
    const past = formatDuration(elapsed * 1000);
    parts.push(
      isRunning && left !== null
        ? `${past} < ${formatDuration(left * 1000)}`
        : past
    );
    return parts.join('  ·  ');
  }

  private readonly _label = element('span', 'jp-SseView-progressLabel');
  private readonly _bar = element('div', 'jp-SseView-progressBar');
  private readonly _fill = element('div', 'jp-SseView-progressFill');
  private readonly _share = element('span', 'jp-SseView-progressShare');
  private readonly _numbers = element('span', 'jp-SseView-progressNumbers');
}
