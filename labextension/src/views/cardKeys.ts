import type { Card } from './card';

/**
 * Do what a key means in a card.
 *
 * @returns whether it meant something
 */
export function handleKey(card: Card, event: KeyboardEvent): boolean {
  switch (event.key) {
    case ' ':
      if (event.target instanceof HTMLButtonElement) {
        return false;
      }
      card.togglePause();
      return true;
    case 'l':
    case 'L':
    case 'End':
      card.goLive();
      return true;
    case 't':
    case 'T':
      card.remember({ kind: card.kind === 'table' ? undefined : 'table' });
      return true;
    case 'd':
    case 'D':
      card.context.announcer.say(card.view?.describe() ?? '');
      return true;
    case 'Escape':
      card.node.closest<HTMLElement>('.jp-Cell')?.focus();
      return true;
    default:
      return card.view?.handleKey(event) ?? false;
  }
}
