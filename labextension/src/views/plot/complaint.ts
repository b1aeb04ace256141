import type { IPlotData } from '../../model/plotStore';
import type { IViewHost } from '../view';
import type { Lineup } from './lineup';

/** Why a plot shows no line, and what to do about it. */
export interface IComplaint {
  readonly text: string;
  readonly remedy: { readonly label: string; run(): void } | null;
  /** Whether there is no number to draw an axis for. */
  readonly isEmpty: boolean;
}

/** What keeps a plot from showing a line; `null` where nothing does, or nothing has come yet. */
export function complaintOf(
  host: IViewHost,
  lineup: Lineup,
  store: IPlotData
): IComplaint | null {
  if (lineup.visible.length > 0) {
    return null;
  }
  if (lineup.drawable.length > 0) {
    return {
      text: 'All series are hidden.',
      remedy: { label: 'Show all', run: () => host.hideSeries(new Set()) },
      isEmpty: false
    };
  }
  const { last } = host.model;
  if (last === null) {
    return null;
  }
  const { y } = host;
  if (y !== null && store.series.length > 0) {
    const names = y.map(name => `“${name}”`).join(' or ');
    const text = `No event has a number named ${names}.`;
    return { text, remedy: null, isEmpty: true };
  }
  const content = last.value.kind === 'text' ? '' : last.value.value;
  const holds = typeof content === 'string' ? 'text' : 'none';
  return {
    text: `“plot” needs numbers; the last event holds ${holds}.`,
    remedy: { label: 'Show as log', run: () => host.showAs('log') },
    isEmpty: true
  };
}
