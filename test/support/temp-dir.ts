/** Temporary folders that are gone after the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  readonly path: string;
  /** A path inside. */
  file(...names: readonly string[]): string;
  remove(): void;
}

export function makeTempDir(label = 'test'): TempDir {
  const path = mkdtempSync(join(tmpdir(), `latchkey-${label}-`));
  return {
    path,
    file: (...names) => join(path, ...names),
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
