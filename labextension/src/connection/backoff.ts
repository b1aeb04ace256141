const BASE_MS = 500;
const MAX_MS = 30_000;

/**
 * How long to wait before the next try.
 *
 * The first try after a loss honours the reconnection time the server told (it is jittered there, so that a restart
 * does not bring all readers back at once); later ones draw from an interval that doubles up to 30 s (full jitter).
 *
 * @param failures - tries that failed since the connection was last open, from 0
 * @param retryMs - the server's `retry:`, or `null`
 * @param random - a number in [0, 1)
 * @returns ms
 */
export function backoffMs(
  failures: number,
  retryMs: number | null,
  random: number
): number {
  if (failures === 0 && retryMs !== null) {
    return Math.min(MAX_MS, retryMs);
  }
  const ceiling = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(failures, 16));
  return Math.round(ceiling * random);
}

/**
 * The server's `Retry-After` in ms.
 *
 * @param header - seconds or an HTTP date
 * @param now - unix ms
 * @returns `null` when there is none that makes sense
 */
export function retryAfterMs(
  header: string | null,
  now: number
): number | null {
  if (header === null || header.trim() === '') {
    return null;
  }
  const seconds = Number(header);
  const ms = Number.isFinite(seconds)
    ? seconds * 1000
    : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 3_600_000) : null;
}
