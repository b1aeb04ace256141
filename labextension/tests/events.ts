import type { ConnectionState, IServerSentEvent } from '../src/tokens';

/** An event of the stream. */
export const event = (data: unknown, type = 'message'): IServerSentEvent => ({
  type,
  data: typeof data === 'string' ? data : JSON.stringify(data),
  id: null
});
/** What the server tells of the stream "loss". */
export const control = (type: string, data: object = {}): IServerSentEvent =>
  event({ stream: 'loss', ...data }, `sse.${type}`);
export const OPEN: ConnectionState = { kind: 'open' };
