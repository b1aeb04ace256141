import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { MODULE_NAME, MODULE_VERSION } from '../widget/version';
import { IPage, type Page } from './page';

/** Registers `StreamView` with ipywidgets, where that is installed. */
export const widgetPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter_sse:widget',
  description: 'Shows streams as ipywidgets.',
  autoStart: true,
  requires: [IPage],
  activate: async (app: JupyterFrontEnd, page: Page) => {
    // Not a static import: without ipywidgets there is no such module in the page, and nothing of ours would load.
    const base = await import('@jupyter-widgets/base').catch(() => null);
    if (base === null) {
      return;
    }
    const registry = await app.resolveOptionalService(
      base.IJupyterWidgetRegistry
    );
    registry?.registerWidget({
      name: MODULE_NAME,
      version: MODULE_VERSION,
      exports: async () => {
        const { makeWidgetClasses } = await import('../widget/streamView');
        return makeWidgetClasses(page);
      }
    });
  }
};
