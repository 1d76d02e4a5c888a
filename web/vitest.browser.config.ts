import { defineConfig } from 'vitest/config';

/** In a browser, against the real server: slow, one after the other. */
export default defineConfig({
  test: { include: ['tests/browser/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 120_000, fileParallelism: false },
});
