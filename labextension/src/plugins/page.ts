import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IThemeManager } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';

import type { TabConnection } from '../connection/sharing/tabConnection';
import { type IModelLease, Streams } from '../model/streams';
import { Announcer } from '../views/announcer';
import type { IViewActions, IViewContext } from '../views/context';
import { TimeFormat } from '../views/format';
import type { IViewMemory } from '../views/memory';
import { PaintClock } from '../views/paintClock';
import { DEFAULT_SETTINGS, type IViewSettings } from '../views/settings';
import { Theme } from '../views/theme';
import { makeActions } from './actions';
import { attachToPage, makeConnection } from './connection';
import { StateMemory } from './stateMemory';

export const PLUGIN_ID = 'jupyter_sse:plugin';

/** What all plugins of this package share. */
export const IPage = new Token<Page>('jupyter_sse:IPage');

/** The page's part in the one connection, the models and what all cards of this page share. */
export class Page implements IViewContext {
  constructor(
    readonly connection: TabConnection,
    readonly actions: IViewActions,
    readonly memory: IViewMemory
  ) {
    this.streams = new Streams(this.connection, () => this.settings);
  }

  readonly streams: Streams;
  readonly theme = new Theme();
  readonly paintClock = new PaintClock();
  readonly announcer = new Announcer();
  settings: IViewSettings = DEFAULT_SETTINGS;
  timeFormat = new TimeFormat();

  get settingsChanged(): ISignal<Page, void> {
    return this._settingsChanged;
  }

  lease(stream: string): IModelLease {
    return this.streams.lease(stream);
  }

  /** Take new settings; what is missing has its default. */
  configure(settings: Partial<IViewSettings>): void {
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.timeFormat = new TimeFormat(
      this.settings.timeZone === 'utc' ? 'UTC' : undefined
    );
    this.paintClock.maxFps = this.settings.followFps;
    this._settingsChanged.emit();
  }

  private readonly _settingsChanged = new Signal<Page, void>(this);
}

export const pagePlugin: JupyterFrontEndPlugin<Page> = {
  id: PLUGIN_ID,
  description: 'Reads event streams over one connection, for all views.',
  autoStart: true,
  provides: IPage,
  optional: [IThemeManager, ISettingRegistry, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    themes: IThemeManager | null,
    registry: ISettingRegistry | null,
    state: IStateDB | null
  ) => {
    const page = new Page(
      makeConnection(app.serviceManager),
      makeActions(app),
      new StateMemory(state)
    );
    themes?.themeChanged.connect(() => page.theme.refresh());
    void registry?.load(PLUGIN_ID).then(settings => {
      const configure = (): void => page.configure(settings.composite);
      settings.changed.connect(configure);
      configure();
    });
    attachToPage(page.connection);
    return page;
  }
};
