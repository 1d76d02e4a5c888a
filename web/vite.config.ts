import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** What sets PDFs: fetched only by whoever wants one. */
const PRESS = 'src/press/pkg/chartkey_press_bg.wasm';

/** What was compressed before, by its content: the largest hardly ever change. */
const SHELF = 'node_modules/.cache/precompress';

function packed(plain: Buffer, how: string, pack: () => Buffer): Buffer {
  if (plain.length < 1 << 20) return pack();
  const path = join(SHELF, `${createHash('sha256').update(plain).digest('hex')}.${how}`);
  if (existsSync(path)) return readFileSync(path);
  const made = pack();
  mkdirSync(SHELF, { recursive: true });
  // Under its name only when it is whole.
  writeFileSync(`${path}.new`, made);
  renameSync(`${path}.new`, path);
  return made;
}

/** Writes `.br` and `.gz` beside what compresses, so that the server never has to. */
function precompress(): Plugin {
  const walk = (folder: string): string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      for (const path of walk('dist').filter((one) => /\.(js|css|wasm|svg|json|ttf)$/.test(one))) {
        const plain = readFileSync(path);
        if (plain.length < 1024) continue;
        // The best takes a minute and a half for the press, and saves a twelfth of it.
        const best = plain.length < 4 << 20;
        const params = { [constants.BROTLI_PARAM_QUALITY]: best ? 11 : 9, [constants.BROTLI_PARAM_LGWIN]: best ? 22 : 24, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
        writeFileSync(`${path}.br`, packed(plain, 'br', () => brotliCompressSync(plain, { params })));
        writeFileSync(`${path}.gz`, packed(plain, 'gz', () => gzipSync(plain, { level: 9 })));
      }
    },
  };
}

const api = process.env.CHARTKEY_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), precompress()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: { input: { index: 'index.html', viewer: 'viewer.html' } },
  },
  define: { __PRESS_LEN__: statSync(PRESS, { throwIfNoEntry: false })?.size ?? 0 },
  // The fonts of PDFs are the server's.
  server: { fs: { allow: ['.', '../crates/paper/pdf/fonts'] }, proxy: { '/api': api, '/dev': api, '/shl': api } },
  test: { include: ['src/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);
