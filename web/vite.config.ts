import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Where `vite dev` finds a running `patchbay server`. */
const server = process.env['PATCHBAY_SERVER'] ?? 'http://127.0.0.1:8080';
const output = join(import.meta.dirname, '..', 'dist', 'web');

/** A compressed copy beside each script and style, for the server to hand out: no work at run time, a quarter to send. */
const packed = (): Plugin => ({
  name: 'patchbay-packed',
  apply: 'build',
  writeBundle() {
    const assets = join(output, 'assets');
    for (const file of readdirSync(assets).filter((name) => /\.(js|css)$/.test(name)))
      writeFileSync(join(assets, `${file}.gz`), gzipSync(readFileSync(join(assets, file)), { level: 9 }));
  },
});

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [react(), packed()],
  server: { proxy: { '/api': { target: server, ws: true, changeOrigin: true } } },
  build: {
    outDir: output,
    emptyOutDir: true,
    target: 'es2023',
    // A data: URI is a source that the page's content security policy does not name.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // React and the component library are one chunk, which every page needs.
    chunkSizeWarningLimit: 600,
  },
});
