import type { Card } from './card';
import type { ICell } from './context';
import type { ISentence, Remedy } from './texts';

/** What each remedy is called on its button. */
export const REMEDY_LABELS: { readonly [R in Remedy]: string } = {
  retry: 'Try now',
  reload: 'Reload',
  switch: 'Switch',
  'run-again': 'Run again',
  'show-error': 'Show error',
  'show-gap': 'Show'
};

/**
 * What the button beside a sentence does.
 *
 * @returns `null` where nothing can be done from this card
 */
export function remedyOf(
  card: Card,
  { remedy, gap }: ISentence
): (() => void) | null {
  const { connection, actions } = card.context;
  switch (remedy) {
    case 'retry':
      return () => connection.retryNow();
    case 'reload':
      return () => actions.reloadPage();
    case 'switch':
      return () => card.showAs(card.model.hintedKind);
    case 'run-again': {
      const cell = cellOfRun(card);
      return cell && (() => cell.run());
    }
    case 'show-error':
      return () => showError(card);
    case 'show-gap':
      return showGap(card, gap);
    case null:
      return null;
  }
}

/** The cell that started the card's run: a card elsewhere only shows what another cell does. */
function cellOfRun(card: Card): ICell | null {
  return card.isOfRun ? card.context.actions.cellOf(card.node) : null;
}

/** Go to the traceback; where the notebook holds none, tell the error in the card. */
function showError(card: Card): void {
  const type = card.model.end?.error?.type ?? '';
  if (!cellOfRun(card)?.showTraceback(type)) {
    card.tellMore();
  }
}

function showGap(card: Card, gap: ISentence['gap']): (() => void) | null {
  const { view } = card;
  return gap === null || view === null || view.showGap === null
    ? null
    : () => {
        // A gap that came while the view was paused is not in it yet.
        card.goLive();
        view.showGap?.(gap);
      };
}
