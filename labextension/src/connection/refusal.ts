import { retryAfterMs } from './backoff';

/** Why a connection was not opened, or ended, and what the page does now. */
export interface IRefusal {
  /** `waiting` and `busy` try again by themselves, the others when the user asks. */
  readonly kind: 'waiting' | 'busy' | 'signed-out' | 'forbidden' | 'missing';
  /** The server's own words, or the empty text. */
  readonly message: string;
  /** When the server said how long to wait: ms. */
  readonly afterMs: number | null;
}

const KINDS: { readonly [status: number]: IRefusal['kind'] } = {
  401: 'signed-out',
  403: 'forbidden',
  404: 'missing',
  405: 'missing',
  429: 'busy',
  503: 'busy'
};

/**
 * Read the server's answer to a request for a stream.
 *
 * @param now - unix ms
 * @returns `null` when the stream is open
 */
export async function refusalOf(
  response: Response,
  now: number
): Promise<IRefusal | null> {
  const type = response.headers.get('Content-Type') ?? '';
  if (response.status === 200 && type.startsWith('text/event-stream')) {
    return null;
  }
  // A page where events should be comes from a server, or a login page, that does not know the route.
  const kind =
    response.status === 200 ? 'missing' : (KINDS[response.status] ?? 'waiting');
  return {
    kind,
    message: await messageOf(response),
    afterMs:
      kind === 'busy'
        ? retryAfterMs(response.headers.get('Retry-After'), now)
        : null
  };
}

/** The `message` of an error in JSON, else the status. */
export async function messageOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { message?: unknown };
    if (typeof body.message === 'string') {
      return body.message;
    }
  } catch {
    // Not JSON: the status says what there is to say.
  }
  return `${response.status} ${response.statusText}`.trim();
}
