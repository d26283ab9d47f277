import { readFileSync } from 'node:fs';

/** The version in the package.json above this file, however deep the build puts it. */
export function packageVersion(): string {
  for (let up = new URL('.', import.meta.url); up.pathname !== '/'; up = new URL('..', up)) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL('package.json', up), 'utf8'));
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version);
    } catch {
      // None in this folder, or none that can be read.
    }
  }
  return 'unknown';
}
