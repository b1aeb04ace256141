const MAX_NAME_LENGTH = 200;
const SEGMENT = /^[A-Za-z0-9._~-]+$/;

/**
 * Say what is wrong with a stream's name.
 *
 * @returns one sentence, or `null` for a valid name
 */
export function nameError(name: unknown): string | null {
  if (typeof name !== 'string' || name === '') {
    return 'A stream has a name.';
  }
  if (name.length > MAX_NAME_LENGTH) {
    return `A stream's name has at most ${MAX_NAME_LENGTH} characters, got ${name.length}.`;
  }
  for (const segment of name.split('/')) {
    if (segment === '.' || segment === '..' || !SEGMENT.test(segment)) {
      return `A stream's name has segments of letters, digits and . _ ~ - joined by /, got ${JSON.stringify(segment)}.`;
    }
  }
  return null;
}
