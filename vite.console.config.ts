/**
 * Makes the console's page for the gateway to serve: `index.html` and files beside it whose names change with their
 * content. No inline script or style, since the server's content security policy forbids them.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'src/web/console',
  // Relative, so that nothing of the address it is served under stands in the files.
  base: './',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../../dist/web/console',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: { output: { codeSplitting: false } },
  },
});
