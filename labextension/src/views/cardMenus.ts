import { APPEND_TIME, ORDINAL, POINT, type XAxis } from '../model/axis';
import type { Card } from './card';
import { KIND_LABELS } from './header';
import { VIEW_KINDS, viewKindOf } from './kinds';
import { type IMenuEntry, openMenu } from './menu';
import { describeWidth, parseWidth } from './plot/window';

const MAX_X_FIELDS = 12;

/** The menu of the views; the one that the rules choose is named. */
export function chooseKind(card: Card, anchor: HTMLElement): void {
  const current = viewKindOf(card.kind ?? 'plot');
  const suggested = card.model.suggestedKind;
  const entries: (IMenuEntry | null)[] = VIEW_KINDS.map(kind => ({
    label:
      suggested !== null && viewKindOf(suggested) === kind
        ? `${KIND_LABELS[kind]} (fits)`
        : KIND_LABELS[kind],
    isChecked: kind === current,
    run: () => card.remember({ kind })
  }));
  openMenu(anchor, entries);
}

/** The menu of the stretch that a view shows. */
export function chooseWindow(card: Card, anchor: HTMLElement): void {
  openMenu(anchor, windowEntries(card));
}

function windowEntries(card: Card): IMenuEntry[] {
  const menu = card.view?.windowMenu ?? null;
  return (menu?.choices ?? []).map(choice => {
    const width = parseWidth(choice);
    const label = width === null ? choice : describeWidth(width);
    return {
      label,
      isChecked: label === menu?.label,
      run: () => {
        card.setWindow(choice);
        card.goLive();
      }
    };
  });
}

/** All that has no button of its own, and what a narrow card hides. */
export function chooseMore(card: Card, anchor: HTMLElement): void {
  const url = card.context.actions.streamUrl(card.model.name);
  const { copy } = card.context.actions;
  const isNarrow = card.node.clientWidth < 520;
  const windows = isNarrow ? windowEntries(card) : [];
  const xs = card.view?.windowMenu ? xEntries(card) : [];
  openMenu(anchor, [
    ...windows,
    ...(windows.length > 0 ? [null] : []),
    ...xs,
    ...(xs.length > 0 ? [null] : []),
    { label: 'Copy Stream URL', run: () => copy(url) },
    {
      label: 'Copy as curl',
      run: () =>
        copy(`curl -N -H "Authorization: token $JUPYTER_TOKEN" '${url}'`)
    },
    {
      label: 'Copy as Python',
      run: () =>
        copy(
          `async for event in sse.subscribe(${JSON.stringify(card.model.name)}):\n    print(event.data)\n`
        )
    },
    null,
    {
      label: 'Reset View Settings',
      run: () => {
        card.hideSeries(new Set());
        card.remember({
          kind: undefined,
          window: undefined,
          x: undefined,
          hidden: undefined
        });
      }
    },
    ...(isNarrow && card.canBeStopped
      ? [{ label: 'Stop Stream', run: () => void card.stop() }]
      : [])
  ]);
}

/** The fields that could be the x axis. */
function xEntries(card: Card): IMenuEntry[] {
  const { axis, series } = card.model.plot(card.x);
  const current = axis && keyOf(axis);
  const counters = series.filter(one => one.isCounter).map(one => one.name);
  const fields = [...new Set([current ?? '', ...counters, card.x ?? ''])]
    .filter(name => name !== '' && !name.startsWith('@'))
    .slice(0, MAX_X_FIELDS);
  return [
    { key: APPEND_TIME, label: 'X axis: time of arrival' },
    { key: ORDINAL, label: 'X axis: event number' },
    ...(card.model.holdsBlocks
      ? [{ key: POINT, label: 'X axis: point number' }]
      : []),
    ...fields.map(key => ({ key, label: `X axis: ${key}` }))
  ].map(({ key, label }) => ({
    label,
    isChecked: key === current,
    run: () => card.remember({ x: key, window: undefined })
  }));
}

/** What the user would choose to get this axis. */
function keyOf(axis: XAxis): string {
  switch (axis.kind) {
    case 'append':
      return APPEND_TIME;
    case 'ordinal':
      return ORDINAL;
    case 'point':
      return POINT;
    default:
      return axis.key;
  }
}
