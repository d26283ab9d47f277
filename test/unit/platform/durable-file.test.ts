import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { AppendFile, makeDirectory, removeTemporary, writeFileDurably } from '../../../src/platform/durable-file.ts';

let home = '';

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'latchkey-durable-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('durable files', () => {
  test('a file is replaced as a whole, for its owner alone, and leaves no temporary file', async () => {
    const path = join(home, 'state.json');
    await writeFileDurably(path, utf8('first'));
    await writeFileDurably(path, utf8('second, longer'));
    expect(readFileSync(path, 'utf8')).toBe('second, longer');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(home)).toEqual(['state.json']);
  });

  test('a write that fails leaves the old content', async () => {
    const path = join(home, 'missing', 'state.json');
    await expect(writeFileDurably(path, utf8('x'))).rejects.toThrow(/ENOENT/);
    expect(readdirSync(home)).toEqual([]);
  });

  test('directories are made for their owner alone', async () => {
    await makeDirectory(join(home, 'a', 'b', 'c'));
    await makeDirectory(join(home, 'a', 'b', 'c'));
    expect(statSync(join(home, 'a')).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, 'a', 'b', 'c')).mode & 0o777).toBe(0o700);
  });

  test('a directory that cannot be made is an error, wherever it would have been', async () => {
    writeFileSync(join(home, 'file'), '');
    await expect(makeDirectory(join(home, 'file'))).rejects.toThrow(/EEXIST/);
    await expect(makeDirectory(join(home, 'file', 'a', 'b'))).rejects.toThrow(/ENOTDIR|EEXIST/);
    await expect(makeDirectory('/proc/latchkey/a')).rejects.toThrow(/ENOENT/);
    symlinkSync(join(home, 'nowhere'), join(home, 'dangling'));
    await expect(makeDirectory(join(home, 'dangling', 'a'))).rejects.toThrow(/EEXIST/);
  });

  test('an append file grows, is read anywhere, and is cut back', async () => {
    const path = join(home, 'log');
    const file = await AppendFile.open(path);
    await file.append([utf8('one\n'), utf8('two\n')]);
    await file.append([utf8('three\n')]);
    expect(file.size).toBe(14);
    expect(Buffer.from(await file.read(4, 3)).toString()).toBe('two');
    expect(await file.read(100, 3)).toHaveLength(0);
    expect(await file.read(12, 10)).toHaveLength(2);
    await file.truncate(8);
    await file.append([utf8('3\n')]);
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n3\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('after a failure the handle takes nothing more', async () => {
    const file = await AppendFile.open(join(home, 'log'));
    await file.close();
    expect(file.failed).toBe(true);
    await expect(file.append([utf8('x')])).rejects.toThrow(/opened anew/);
  });

  test('what a killed writer left behind is removed', async () => {
    writeFileSync(join(home, 'a.json.tmp'), 'half');
    writeFileSync(join(home, 'a.json'), 'whole');
    expect(await removeTemporary(home, readdirSync(home))).toBe(1);
    expect(readdirSync(home)).toEqual(['a.json']);
  });
});
