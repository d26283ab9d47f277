/**
 * Makes each page one file that works opened from disk: script and style stand inside, and its content security policy
 * names their hashes and forbids whatever else, connections above all.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

const TEMPLATE = new URL('src/web/verify/verify.html', import.meta.url);

export default defineConfig({
  publicDir: false,
  plugins: [onePage('verify.html')],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing is loaded besides the page: what would be a file of its own stands in the script.
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    rolldownOptions: { input: 'src/web/verify/main.tsx', output: { codeSplitting: false } },
    modulePreload: false,
  },
});

function onePage(fileName: string): Plugin {
  return {
    name: 'one-page',
    enforce: 'post',
    generateBundle(_options, bundle) {
      let script = '';
      let style = '';
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === 'chunk') script += part.code;
        else if (name.endsWith('.css')) style += String(part.source);
        else this.error(`${name} would be a file of its own beside the page`);
        delete bundle[name];
      }
      // The parser of HTML ends a script at this text, wherever it stands in it.
      script = script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--').trim();
      const policy = [
        "default-src 'none'",
        `script-src '${digest(script)}'`,
        `style-src '${digest(style)}'`,
        'worker-src blob:',
        "base-uri 'none'",
        "form-action 'none'",
      ].join('; ');
      const source = readFileSync(TEMPLATE, 'utf8')
        .replace('%POLICY%', () => policy)
        .replace('%STYLE%', () => style)
        .replace('%SCRIPT%', () => script);
      this.emitFile({ type: 'asset', fileName, source });
    },
  };
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
