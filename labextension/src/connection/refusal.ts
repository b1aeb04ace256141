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
  const { message, reason } = await explanationOf(response);
  const kind = kindOf(response.status, reason);
  const retryAfter = response.headers.get('Retry-After');
  return {
    kind,
    message,
    afterMs: kind === 'busy' ? retryAfterMs(retryAfter, now) : null
  };
}

function kindOf(status: number, reason: string): IRefusal['kind'] {
  if (status === 403 && reason === 'login') {
    return 'signed-out';
  }
  // A page where events should be comes from a server, or a login page, that does not know the route.
  return status === 200 ? 'missing' : (KINDS[status] ?? 'waiting');
}

/** The `message` and `reason` of an error in JSON, else the status. */
export async function explanationOf(
  response: Response
): Promise<{ message: string; reason: string }> {
  const status = `${response.status} ${response.statusText}`.trim();
  try {
    const body = (await response.json()) as Record<string, unknown>;
    return {
      message: typeof body.message === 'string' ? body.message : status,
      reason: typeof body.reason === 'string' ? body.reason : ''
    };
  } catch {
    // Not JSON: the status says what there is to say.
    return { message: status, reason: '' };
  }
}
