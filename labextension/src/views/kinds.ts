import type { ViewKind } from '../tokens';
import { LogView } from './logView';
import { PlotView } from './plot/plotView';
import { ProgressView } from './progressView';
import { RawView } from './rawView';
import { TableView } from './tableView';
import { ValueView } from './valueView';
import type { IView, IViewHost } from './view';

/** The views that there are, in the order of the menu. */
export const VIEW_KINDS: readonly ViewKind[] = [
  'plot',
  'log',
  'table',
  'value',
  'progress',
  'raw'
];

/** What stands in for a kind that has no view of its own, and what to say of it. */
const STAND_INS: ReadonlyMap<string, string> = new Map([
  ['image', 'an image'],
  ['heatmap', 'a matrix of numbers'],
  ['histogram', 'a list of numbers']
]);

/** Whether there is a view of this kind. */
export function isViewKind(kind: unknown): kind is ViewKind {
  return VIEW_KINDS.includes(kind as ViewKind);
}

/** The view to use for a kind that the rules or the user named. */
export function viewKindOf(kind: string): ViewKind {
  return isViewKind(kind) ? kind : 'raw';
}

/** Make the view for a kind. */
export function makeView(kind: string, host: IViewHost): IView {
  switch (viewKindOf(kind)) {
    case 'plot':
      return new PlotView(host);
    case 'log':
      return new LogView(host);
    case 'table':
      return new TableView(host);
    case 'value':
      return new ValueView(host);
    case 'progress':
      return new ProgressView(host);
    case 'raw':
      return new RawView(host, standInHint(kind));
  }
}

function standInHint(kind: string): string {
  if (kind === 'raw') {
    return '';
  }
  const looks = STAND_INS.get(kind);
  return looks === undefined
    ? `there is no view “${kind}”: choose ${VIEW_KINDS.join(', ')}`
    : `looks like ${looks}: shown as it came`;
}
