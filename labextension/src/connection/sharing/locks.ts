/** Web Locks, as far as they are needed; tests bring their own. */
export interface ILocks {
  /**
   * Ask for a lock and keep it. It ends with the page or worker that holds it, however that ends.
   *
   * @param onHeld - called once, when the lock is held
   * @returns gives the lock back, or asks for it no more
   */
  hold(name: string, onHeld: () => void): () => void;
}

/** The browser's; `null` where there are none: they need a secure context. */
export function browserLocks(): ILocks | null {
  const manager = navigator.locks as LockManager | undefined;
  if (manager === undefined) {
    return null;
  }
  return {
    hold: (name, onHeld) => {
      const abort = new AbortController();
      let release = (): void => undefined;
      const isReleased = new Promise<void>(resolve => (release = resolve));
      manager
        .request(name, { signal: abort.signal }, () => {
          onHeld();
          return isReleased;
        })
        // Aborted, or not allowed here: then the lock is never held.
        .catch(() => undefined);
      return () => {
        abort.abort();
        release();
      };
    }
  };
}

/** Call `action` once when whoever holds the lock is gone. */
export function whenFree(
  locks: ILocks,
  name: string,
  action: () => void
): () => void {
  const release = locks.hold(name, () => {
    // Not within the call that may still be about to return `release`.
    queueMicrotask(() => {
      release();
      action();
    });
  });
  return release;
}
