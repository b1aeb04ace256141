/** Time as model and connection see it; tests pass their own. */
export interface IClock {
  /** Unix ms. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Call `action` once after `delayMs`; the result cancels it. */
  after(delayMs: number, action: () => void): () => void;
  /** Let the page paint and take input. */
  breathe(): Promise<void>;
}

/** The browser's clock. */
export const systemClock: IClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  // A message, because browsers stretch timers to a second in hidden tabs, where events must go on.
  breathe: () =>
    new Promise(resolve => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    })
};
