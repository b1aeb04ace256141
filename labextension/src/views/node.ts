/** An element with its class. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = ''
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

/** A button that reads as a link within a sentence. */
export function button(text: string, onClick: () => void): HTMLButtonElement {
  const node = element('button', 'jp-SseView-link', text);
  node.type = 'button';
  node.addEventListener('click', onClick);
  return node;
}

/** Set an element's text only where it changes: the browser lays out less. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
