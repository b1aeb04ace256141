import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { IPage, type Page } from './page';

/** Returns the details, for programs. */
const INSPECT = 'jupyter_sse:inspect-connection';
const SHOW = 'jupyter_sse:show-connection';

/** Shows how this page comes to its events. */
export const detailsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter_sse:details',
  description: 'Tells how this page is connected to its event streams.',
  autoStart: true,
  requires: [IPage],
  optional: [ICommandPalette],
  activate: (
    { commands }: JupyterFrontEnd,
    page: Page,
    palette: ICommandPalette | null
  ) => {
    const describedBy = { args: { type: 'object', properties: {} } };
    commands.addCommand(INSPECT, {
      label: 'Inspect Connection',
      describedBy,
      execute: () => page.connection.inspect()
    });
    commands.addCommand(SHOW, {
      label: 'Show Connection Details',
      describedBy,
      execute: async () => {
        const details = await page.connection.inspect();
        const node = document.createElement('pre');
        node.textContent = JSON.stringify(details, null, 2);
        await showDialog({
          title: 'Event Stream Connection',
          body: new Widget({ node }),
          buttons: [Dialog.okButton({ label: 'Close' })]
        });
      }
    });
    palette?.addItem({ command: SHOW, category: 'Event Streams' });
  }
};
