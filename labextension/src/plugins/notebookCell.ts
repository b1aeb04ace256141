import type { JupyterFrontEnd } from '@jupyterlab/application';
import { SemanticCommand } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

import type { ICell } from '../views/context';

const RUN = 'notebook:run-cell';
/** Where JupyterLab renders what was raised: the traceback as text for a terminal. */
const TRACEBACKS = [
  'application/vnd.jupyter.stderr',
  'application/vnd.jupyter.error'
]
  .map(type => `.jp-OutputArea-output[data-mime-type="${type}"]`)
  .join();

/** As much of JupyterLab's notebook as is needed here; its package would be one more to keep in step with. */
interface INotebook extends Widget {
  readonly widgets: readonly Widget[];
  activeCellIndex: number;
  deselectAll(): void;
}

/**
 * Find the cell of an open notebook whose output holds a node.
 *
 * @returns `null` where there is none, or nothing that could run it
 */
export function findCell(app: JupyterFrontEnd, node: Node): ICell | null {
  if (!app.commands.hasCommand(RUN)) {
    return null;
  }
  for (const panel of app.shell.widgets('main')) {
    const { content } = panel as Widget & { content?: unknown };
    if (panel.node.contains(node) && isNotebook(content)) {
      const cell = content.widgets.find(one => one.node.contains(node));
      return cell === undefined ? null : makeCell(app, panel, content, cell);
    }
  }
  return null;
}

function isNotebook(content: unknown): content is INotebook {
  const { widgets, activeCellIndex, deselectAll } = (content ??
    {}) as Partial<INotebook>;
  return (
    Array.isArray(widgets) &&
    typeof activeCellIndex === 'number' &&
    typeof deselectAll === 'function'
  );
}

function makeCell(
  { commands, shell }: JupyterFrontEnd,
  panel: Widget,
  notebook: INotebook,
  cell: Widget
): ICell {
  return {
    run: () => {
      // The command runs what is selected.
      notebook.deselectAll();
      notebook.activeCellIndex = notebook.widgets.indexOf(cell);
      shell.activateById(panel.id);
      void commands.execute(RUN, { [SemanticCommand.WIDGET]: panel.id });
    },
    showTraceback: type => {
      const found = [...cell.node.querySelectorAll<HTMLElement>(TRACEBACKS)]
        .filter(output => output.textContent?.includes(type))
        .at(-1);
      if (found === undefined) {
        return false;
      }
      found.classList.add('jp-SseTraceback');
      found.tabIndex = -1;
      found.focus({ preventScroll: true });
      // What was raised stands at its end.
      found.scrollIntoView({ block: 'end' });
      return true;
    }
  };
}
