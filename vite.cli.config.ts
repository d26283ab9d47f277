/**
 * Makes the command line one file for each thing that is loaded at once, instead of the compiler's 400 and those of the
 * packages: a daemon then starts in a third of the processor time, which a small box feels, and so does each command.
 *
 * Packages that bring native code or a database of files stay outside, as they were installed: they look for it beside
 * them. The licences of all others go into `licenses.md`.
 */
import { defineConfig, type Plugin } from 'vite';
import { prepareCluster } from './src/risk/store/prepared-cluster.ts';

const OUT_DIR = 'dist/src/cli';

/** The embedded database, made ahead: whoever starts the risk service on it for the first time does not wait for initdb. */
const embeddedDatabase: Plugin = { name: 'embedded-database', closeBundle: () => prepareCluster(OUT_DIR) };

export default defineConfig({
  publicDir: false,
  plugins: [embeddedDatabase],
  ssr: { noExternal: true, external: ['better-sqlite3', 'serialport', '@electric-sql/pglite'] },
  build: {
    ssr: true,
    outDir: OUT_DIR,
    emptyOutDir: true,
    target: 'node20',
    sourcemap: true,
    minify: false,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      // The second is the entry of a thread of its own (src/edge/gateway/console-thread.ts).
      input: { main: 'src/cli/main.ts', 'console-worker': 'src/edge/gateway/console-worker.ts' },
      output: { entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
    },
  },
});
