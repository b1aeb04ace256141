import { createParser, type EventSourceParser } from 'eventsource-parser';

import type { IServerSentEvent } from '../tokens';

/**
 * Characters of one event that the page buffers. The server's own limit is 1 MiB by default and may be raised; this
 * one only keeps a broken server from filling the page's memory.
 */
const MAX_BUFFER_CHARACTERS = 32 * 1024 * 1024;

/** What the parser tells, in the order of the bytes. */
export interface IParserEvents {
  onEvent(event: IServerSentEvent): void;
  /** The block carried an `id:` field; told before its event, if it has one. */
  onId(id: string): void;
  /** The reconnection time in ms. */
  onRetry(retryMs: number): void;
}

/**
 * Bytes of an event stream to events (WHATWG HTML 9.2.5, 9.2.6), in whatever pieces they come.
 */
export class Parser {
  constructor(events: IParserEvents) {
    this._parser = createParser({
      maxBufferSize: MAX_BUFFER_CHARACTERS,
      onEvent: message =>
        events.onEvent({
          type: message.event ?? 'message',
          data: message.data,
          id: message.id ?? null
        }),
      onId: id => events.onId(id),
      onRetry: retryMs => events.onRetry(retryMs),
      onError: error => {
        // The other errors are lines that the standard says to ignore.
        if (error.type === 'max-buffer-size-exceeded') {
          this._error = new Error(
            `The server sent an event of more than ${MAX_BUFFER_CHARACTERS >> 20} Mi characters.`
          );
        }
      }
    });
  }

  /**
   * Take the next bytes.
   *
   * @throws when one event is larger than the page buffers
   */
  feed(bytes: Uint8Array): void {
    this._parser.feed(this._decoder.decode(bytes, { stream: true }));
    if (this._error !== null) {
      throw this._error;
    }
  }

  private readonly _parser: EventSourceParser;
  // The parser strips the one byte order mark that may go; the decoder must leave it.
  private readonly _decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private _error: Error | null = null;
}
