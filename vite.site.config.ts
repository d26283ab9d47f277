/** The page of a simulated site: files that `latchkey simulate --ui` serves from memory, under whatever path it likes. */
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'src/web/site',
  base: './',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../../dist/web/site',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy knows no data: scripts, and nothing else needs to be inside another file.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
});
