import { describe, expect, it } from 'vitest';

import type { IGapBand } from '../src/model/plotStore';
import type { IArea } from '../src/views/plot/line';
import { drawGaps } from '../src/views/plot/overlay';
import type { IColors } from '../src/views/theme';

/** Takes every call of a canvas, and counts lines. */
class Canvas {
  lines = 0;

  lineTo(): void {
    this.lines++;
  }

  measureText(): { width: number } {
    return { width: 10 };
  }

  save(): void {}
  restore(): void {}
  beginPath(): void {}
  rect(): void {}
  clip(): void {}
  fillRect(): void {}
  fillText(): void {}
  moveTo(): void {}
  stroke(): void {}
  setLineDash(): void {}
}

describe('drawGaps', () => {
  const area: IArea = {
    x: [0, 60_000],
    y: [0, 1],
    left: 0,
    top: 0,
    width: 800,
    height: 300
  };

  it.each([1e9, 1e18, 1e300])(
    'hatches what is shown of a gap of %d, not all of it',
    size => {
      const canvas = new Canvas();
      const gap = { reason: 'evicted', count: 5, after: 1 };
      const band: IGapBand = { from: -size, to: 30_000, gap };
      drawGaps(
        canvas as unknown as CanvasRenderingContext2D,
        [band],
        area,
        {} as IColors,
        1
      );
      expect(canvas.lines).toBeGreaterThan(50);
      expect(canvas.lines).toBeLessThan(200);
    }
  );
});
