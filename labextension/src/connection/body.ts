/**
 * Read a response that may be aborted.
 *
 * The body is cancelled with the signal: a runtime that has collected the request may not heed the signal any more
 * (Node's fetch does not), and the connection would stay open.
 */
export function readerOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal
): ReadableStreamDefaultReader<Uint8Array> {
  const reader = body.getReader();
  const cancel = (): void => {
    reader.cancel().catch(() => undefined);
  };
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) {
    cancel();
  }
  return reader;
}
