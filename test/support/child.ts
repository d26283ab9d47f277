/**
 * The product as child processes: `latchkey ...` from the build, alone or under strace.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Child, type ChildOptions, type Finished, runToEnd } from '../../simulators/demo/child-process.ts';
import { type StraceOptions, straceArgs } from './strace.ts';

/**
 * From the sources (test/support) and from the build (dist/test/support) alike. LATCHKEY_TEST_MAIN names another build:
 * for checking that the tests notice a product with a fault in it.
 */
export function mainPath(): string {
  const other = process.env['LATCHKEY_TEST_MAIN'];
  if (other !== undefined) return other;
  const candidates = [
    join(import.meta.dirname, '../../dist/src/cli/main.js'),
    join(import.meta.dirname, '../../src/cli/main.js'),
  ];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new Error('dist/src/cli/main.js is not there: run "npm run build"');
  return found;
}

/** Starts `latchkey` with these arguments. */
export function startLatchkey(args: readonly string[], options: ChildOptions = {}): Child {
  return new Child(process.execPath, [mainPath(), ...args], options);
}

/** The same under strace, whose process the child then is: signal the daemon by `tracedPid`. */
export function startLatchkeyTraced(args: readonly string[], strace: StraceOptions, options: ChildOptions = {}): Child {
  return new Child('strace', [...straceArgs(strace), process.execPath, mainPath(), ...args], options);
}

/** Runs `latchkey` to its end. */
export function runLatchkey(
  args: readonly string[],
  options: ChildOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  return runToEnd(process.execPath, [mainPath(), ...args], options);
}
