/**
 * Compares a generated text with the file that holds it. With LATCHKEY_UPDATE=1 in the environment the file is written
 * instead, so that one command makes all generated files fresh: `LATCHKEY_UPDATE=1 npx vitest run test/unit/evidence-format`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

export function expectFile(path: string, wanted: string): void {
  const found = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (process.env['LATCHKEY_UPDATE'] === '1' && found !== wanted) writeFileSync(path, wanted);
  else expect(found).toBe(wanted);
}
