import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter_sse:plugin',
  description: 'Live views of event streams.',
  autoStart: true,
  activate: () => undefined
};

export default [plugin];
