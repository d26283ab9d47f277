/**
 * A wrong wall clock for a child process (libfaketime), with the monotonic clock left real.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIB_DIR = '/usr/lib';

/**
 * Environment for a child that reads its wall clock from `file`, which `setFakeTime` writes and which may change while
 * it runs.
 */
export function fakeTimeEnv(file: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: libraryPath(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    // Files keep their true times: only the clock is wrong.
    NO_FAKE_STAT: '1',
  };
}

/** `-20000d`: an offset from the true time; `@2031-01-01 00:00:00`: a clock that begins there and runs on. */
export function setFakeTime(file: string, spec: string): void {
  writeFileSync(file, `${spec}\n`);
}

function libraryPath(): string {
  const found = readdirSync(LIB_DIR)
    .map((name) => join(LIB_DIR, name, 'faketime/libfaketime.so.1'))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('libfaketime is not there: run "node test/prepare.mjs test"');
  return found;
}
