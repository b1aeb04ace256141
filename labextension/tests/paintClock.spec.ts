import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { type IPainter, PaintClock } from '../src/views/paintClock';

/** A frame of the screen: ms. */
const FRAME_MS = 16;

/** A picture that moves by itself, as an axis of time does. */
class MovingPicture implements IPainter {
  readonly isInView = true;
  readonly isMoving = true;
  readonly paintedAt: number[] = [];

  wantsFrame(): boolean {
    return true;
  }

  paintFrame(): void {
    this.paintedAt.push(performance.now());
  }

  refresh(): void {}

  /** When it was painted since `from`: ms. */
  since(from: number): number[] {
    return this.paintedAt.filter(at => at > from);
  }
}

describe('PaintClock', () => {
  let clock: PaintClock;
  let picture: MovingPicture;
  let isMotionReduced: boolean;

  beforeEach(() => {
    isMotionReduced = false;
    vi.useFakeTimers();
    vi.stubGlobal('matchMedia', () => ({
      get matches() {
        return isMotionReduced;
      }
    }));
    vi.stubGlobal('document', { visibilityState: 'visible' });
    vi.stubGlobal('requestAnimationFrame', (paint: () => void) =>
      setTimeout(paint, FRAME_MS - (performance.now() % FRAME_MS))
    );
    vi.stubGlobal('cancelAnimationFrame', clearTimeout);
    clock = new PaintClock();
    picture = new MovingPicture();
    clock.add(picture);
  });

  afterEach(() => {
    clock.dispose();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  /** Let time pass until just after the picture was painted. */
  function passUntilPainted(): void {
    const before = picture.paintedAt.length;
    while (picture.paintedAt.length === before) {
      vi.advanceTimersByTime(1);
    }
  }

  test('what moves is painted as often as is set', () => {
    vi.advanceTimersByTime(3_000);
    const from = performance.now();
    vi.advanceTimersByTime(1_000);
    expect(picture.since(from).length).toBeLessThanOrEqual(clock.maxFps + 2);
    expect(picture.since(from).length).toBeGreaterThan(clock.maxFps / 2);
  });

  test('news after a pause is painted at the next frame of the screen, although the picture has just moved', () => {
    vi.advanceTimersByTime(1_000);
    passUntilPainted();
    const from = performance.now();
    clock.requestNews();
    vi.advanceTimersByTime(FRAME_MS);
    expect(picture.since(from)).toHaveLength(1);
  });

  test('news that never pauses is painted as often as is set', () => {
    const from = performance.now();
    for (let ms = 0; ms < 1_000; ms++) {
      clock.requestNews();
      vi.advanceTimersByTime(1);
    }
    expect(picture.since(from).length).toBeLessThanOrEqual(clock.maxFps + 2);
  });

  test('where less motion is wanted news waits for its turn', () => {
    vi.advanceTimersByTime(1_000);
    isMotionReduced = true;
    passUntilPainted();
    const from = performance.now();
    clock.requestNews();
    vi.advanceTimersByTime(400);
    expect(picture.since(from)).toHaveLength(0);
    vi.advanceTimersByTime(200);
    expect(picture.since(from)).toHaveLength(1);
  });
});
