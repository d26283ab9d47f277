import { readFileSync } from 'node:fs';

/** The version in package.json, from the sources and from the build alike. */
export function packageVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version);
    } catch {
      // The build lies one folder deeper than the sources: the other place has it.
    }
  }
  return 'unknown';
}
