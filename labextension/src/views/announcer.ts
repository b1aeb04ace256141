import type { IDisposable } from '@lumino/disposable';

/** The page's one voice for screen readers: states are said once, events never. */
export class Announcer implements IDisposable {
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Say something when the user is not being told something else. */
  say(text: string): void {
    this._region('polite').textContent = text;
  }

  /** Say something at once: a failure. */
  alert(text: string): void {
    this._region('assertive').textContent = text;
  }

  dispose(): void {
    this._isDisposed = true;
    this._regions.forEach(region => region.remove());
    this._regions.clear();
  }

  private _region(politeness: 'polite' | 'assertive'): HTMLElement {
    let region = this._regions.get(politeness);
    if (region === undefined) {
      region = document.createElement('div');
      region.className = 'jp-SseView-announcer';
      region.setAttribute('aria-live', politeness);
      document.body.append(region);
      this._regions.set(politeness, region);
    }
    return region;
  }

  private readonly _regions = new Map<string, HTMLElement>();
  private _isDisposed = false;
}
