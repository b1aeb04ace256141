import type { JupyterFrontEnd } from '@jupyterlab/application';
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { explanationOf } from '../connection/refusal';
import type { IViewActions } from '../views/context';
import { findCell } from './notebookCell';

const TRUST = 'notebook:trust';

/** What views can have done, in this page and at its server. */
export function makeActions(app: JupyterFrontEnd): IViewActions {
  const { serverSettings } = app.serviceManager;
  const address = (...parts: string[]): string =>
    URLExt.join(serverSettings.baseUrl, ...parts);
  const path = (stream: string): string => URLExt.encodeParts(stream);
  return {
    stop: async stream => {
      const response = await ServerConnection.makeRequest(
        address('api/sse/streams', path(stream)),
        { method: 'DELETE' },
        serverSettings
      );
      if (!response.ok) {
        const { message } = await explanationOf(response);
        throw new Error(`The stream was not stopped: ${message}`);
      }
    },
    streamUrl: stream => address('sse', path(stream)),
    trust: () => {
      if (app.commands.hasCommand(TRUST)) {
        void app.commands.execute(TRUST);
      }
    },
    copy: text => void navigator.clipboard.writeText(text),
    download,
    reloadPage: () => window.location.reload(),
    cellOf: node => findCell(app, node)
  };
}

function download(fileName: string, text: string): void {
  // Never as what it may look like: a browser would run HTML.
  const blob = new Blob([text], { type: 'text/plain;charset=utf-8' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(link.href);
}
