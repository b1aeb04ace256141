import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { detailsPlugin } from './plugins/details';
import { outputPlugin } from './plugins/output';
import { pagePlugin } from './plugins/page';
import { streamsPlugin } from './plugins/streams';
import { widgetPlugin } from './plugins/widget';

export { IStreams } from './tokens';
export type {
  IConnection,
  IServerSentEvent,
  IStreamLease,
  IStreamModel
} from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  pagePlugin,
  streamsPlugin,
  outputPlugin,
  detailsPlugin,
  widgetPlugin
];

export default plugins;
