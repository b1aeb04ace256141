import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

import {
  type IRemembered,
  type IViewMemory,
  readRemembered
} from '../views/memory';

/** Keeps the choices of views in JupyterLab's state database, so that notebooks do not become dirty. */
export class StateMemory implements IViewMemory {
  constructor(private readonly _state: IStateDB | null) {}

  async load(key: string): Promise<IRemembered> {
    try {
      return readRemembered(await this._state?.fetch(stateKey(key)));
    } catch {
      // A view without its memory is still a view.
      return {};
    }
  }

  save(key: string, remembered: IRemembered): void {
    // Through JSON, which leaves out what is undefined.
    const value = JSON.parse(
      JSON.stringify(remembered)
    ) as ReadonlyPartialJSONValue;
    this._state?.save(stateKey(key), value).catch(() => undefined);
  }
}

function stateKey(key: string): string {
  return `jupyter_sse:view:${key}`;
}
