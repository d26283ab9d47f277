import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { lockFile } from '../../../src/platform/file-lock.ts';

let home = '';

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'latchkey-lock-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function refusalOf(path: string): LatchkeyError {
  try {
    lockFile(path, 'STORE_BUSY', 'the store');
  } catch (error) {
    if (error instanceof LatchkeyError) return error;
  }
  throw new Error('the lock was given twice');
}

describe('the file lock', () => {
  test('is held once, names its holder, and is free again after release', () => {
    const path = join(home, 'lock');
    const lock = lockFile(path, 'STORE_BUSY', 'the store');
    const refused = refusalOf(path);
    expect(refused.code).toBe('STORE_BUSY');
    expect(refused.message).toContain(`process ${process.pid}`);
    lock.release();
    lock.release();
    lockFile(path, 'STORE_BUSY', 'the store').release();
  });

  test('a process that is killed holds nothing any more', async () => {
    const path = join(home, 'lock');
    const script = `
      const Database = require('better-sqlite3');
      const database = new Database(process.argv[1]);
      database.exec('BEGIN EXCLUSIVE');
      process.stdout.write('held');
      setInterval(() => undefined, 1000);`;
    const holder = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(refusalOf(path).code).toBe('STORE_BUSY');
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    lockFile(path, 'STORE_BUSY', 'the store').release();
  });
});
