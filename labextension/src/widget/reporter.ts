import type { IDisposable } from '@lumino/disposable';

import type { Card } from '../views/card';

/** The kernel hears of a stream at most this often. */
const REPORT_MS = 500;

/** What the page tells the kernel's widget. */
export interface IReport {
  readonly state: string;
  readonly events: number;
}

/** Tells the kernel how the stream stands in this page, when it has changed and not too often. */
export class Reporter implements IDisposable {
  constructor(
    private readonly _card: Card,
    private readonly _tell: (report: IReport) => void
  ) {
    _card.model.changed.connect(this._plan, this);
    _card.context.connection.stateChanged.connect(this._plan, this);
    this._plan();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._card.model.changed.disconnect(this._plan, this);
    this._card.context.connection.stateChanged.disconnect(this._plan, this);
    clearTimeout(this._timer);
  }

  private _plan(): void {
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this._report();
    }, REPORT_MS);
  }

  private _report(): void {
    const report = {
      state: this._card.status.kind,
      events: this._card.model.events
    };
    if (
      report.state !== this._told?.state ||
      report.events !== this._told.events
    ) {
      this._told = report;
      this._tell(report);
    }
  }

  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _told: IReport | null = null;
  private _isDisposed = false;
}
