import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { IStreams } from '../tokens';
import { IPage, type Page } from './page';

/** Opens the streams of this page to other extensions. */
export const streamsPlugin: JupyterFrontEndPlugin<IStreams> = {
  id: 'jupyter_sse:streams',
  description: 'Provides the event streams that this page reads.',
  autoStart: true,
  requires: [IPage],
  provides: IStreams,
  activate: (_: JupyterFrontEnd, page: Page) => page.streams
};
