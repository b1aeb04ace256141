import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.spec.ts'],
    // Model and connection know no DOM; running without one proves it.
    environment: 'node',
    // Everything waits for a condition; a busy machine may take its time.
    testTimeout: 20_000
  }
});
