import { ServerConnection } from '@jupyterlab/services';
import { URLExt } from '@jupyterlab/coreutils';

import { explanationOf } from '../connection/refusal';
import type { IViewActions } from '../views/context';

/** What views can have done, at this page's server. */
export function makeActions(
  settings: ServerConnection.ISettings,
  trust: (() => void) | null
): IViewActions {
  const address = (...parts: string[]): string =>
    URLExt.join(settings.baseUrl, ...parts);
  const path = (stream: string): string => URLExt.encodeParts(stream);
  return {
    stop: async stream => {
      const response = await ServerConnection.makeRequest(
        address('api/sse/streams', path(stream)),
        { method: 'DELETE' },
        settings
      );
      if (!response.ok) {
        const { message } = await explanationOf(response);
        throw new Error(`The stream was not stopped: ${message}`);
      }
    },
    streamUrl: stream => address('sse', path(stream)),
    trust,
    copy: text => void navigator.clipboard.writeText(text),
    reloadPage: () => window.location.reload()
  };
}
