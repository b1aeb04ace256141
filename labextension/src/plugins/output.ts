import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { MIME_TYPE } from '../tokens';
import { LiveRenderer } from '../views/liveRenderer';
import { IPage, type Page } from './page';

/** Before HTML, which the same output carries for viewers without this extension. */
const RANK = 10;

/** Shows a run's default display as a live view. */
export const outputPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter_sse:output',
  description: 'Renders the outputs of streams as live views.',
  autoStart: true,
  requires: [IPage, IRenderMimeRegistry],
  activate: (
    _: JupyterFrontEnd,
    page: Page,
    rendermime: IRenderMimeRegistry
  ) => {
    rendermime.addFactory(
      {
        // Untrusted outputs come to the renderer as well: it shows their picture and connects to nothing.
        safe: true,
        mimeTypes: [MIME_TYPE],
        defaultRank: RANK,
        createRenderer: options => new LiveRenderer(page, options.mimeType)
      },
      RANK
    );
  }
};
