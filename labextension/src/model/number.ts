/** Beyond, the distance of two numbers may be none; JSON's 1e999 is read as infinite. */
const LARGEST_DRAWN = 1e300;

/** A number that can be drawn. Booleans are not numbers. */
export function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) < LARGEST_DRAWN;
}

export function isNumberList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(isNumber);
}
