import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { FileEnrolmentStore } from '../../src/risk/enrolment/file-store.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { enrolmentStoreContract } from './enrolment-store.contract.ts';
import { MemoryEnrolmentStore } from './memory-enrolment-store.ts';

const dirs: TempDir[] = [];

afterEach(() => {
  for (const dir of dirs.splice(0)) dir.remove();
});

function tempDir(): TempDir {
  const dir = makeTempDir('enrolments');
  dirs.push(dir);
  return dir;
}

enrolmentStoreContract('the store in memory', async () => ({ store: new MemoryEnrolmentStore() }));

enrolmentStoreContract('the store in files', async () => {
  const { path } = tempDir();
  return { store: await FileEnrolmentStore.open(path), again: () => FileEnrolmentStore.open(path) };
});

test('files of a writer that was killed are no events, and nothing else is left over', async () => {
  const dir = tempDir();
  const store = await FileEnrolmentStore.open(dir.path);
  await store.append('gw-1', 0, 'a\n');
  writeFileSync(dir.file('gateways', 'gw-1', '.000001.json.00ff.tmp'), 'half of an ev');
  expect(await store.read('gw-1')).toEqual(['a\n']);
  expect(await store.append('gw-1', 1, 'b\n')).toBe('stored');
  expect(readdirSync(dir.file('gateways', 'gw-1')).sort()).toEqual([
    '.000001.json.00ff.tmp',
    '000000.json',
    '000001.json',
  ]);
});

test('a history with a hole is no history', async () => {
  const dir = tempDir();
  const store = await FileEnrolmentStore.open(dir.path);
  for (const i of [0, 1, 2]) await store.append('gw-1', i, 'x\n');
  rmSync(dir.file('gateways', 'gw-1', '000001.json'));
  await expect(store.read('gw-1')).rejects.toMatchObject({ code: 'STORE_IO' });
});

test('what cannot be written is said', async () => {
  const dir = tempDir();
  const store = await FileEnrolmentStore.open(dir.path);
  rmSync(dir.file('gateways'), { recursive: true });
  writeFileSync(dir.file('gateways'), 'a file');
  await expect(store.append('gw-1', 0, 'x\n')).rejects.toMatchObject({ code: 'STORE_IO' });
  rmSync(dir.file('gateways'));
  mkdirSync(dir.file('gateways'));
  expect(await store.append('gw-1', 0, 'x\n')).toBe('stored');
});
