import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `vite dev` finds a running `patchbay server`. */
const server = process.env['PATCHBAY_SERVER'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [react()],
  server: { proxy: { '/api': { target: server, ws: true, changeOrigin: true } } },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2023',
    // A data: URI is a source that the page's content security policy does not name.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
