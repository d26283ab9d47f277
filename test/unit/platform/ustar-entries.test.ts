import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { type TarEntry, ustarEntries } from '../../../src/platform/ustar.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('ustar');
afterAll(() => dir.remove());

/** What GNU tar writes of a folder. */
function archived(...options: readonly string[]): Buffer {
  const args = ['--format=ustar', '--sort=name', '-cf', dir.file('made.tar'), ...options];
  execFileSync('tar', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return readFileSync(dir.file('made.tar'));
}

function told(entry: TarEntry): readonly [string, string?] {
  return entry.kind === 'directory' ? [entry.name] : [entry.name, Buffer.from(entry.bytes).toString('latin1')];
}

test('what tar wrote is read: empty folders and files, whole blocks, and names that need the prefix', () => {
  const deep = `${'d'.repeat(60)}/${'e'.repeat(60)}`;
  const block = 'x'.repeat(512);
  mkdirSync(dir.file('in', 'empty'), { recursive: true });
  mkdirSync(dir.file('in', deep), { recursive: true });
  writeFileSync(dir.file('in', 'block'), block);
  writeFileSync(dir.file('in', 'none'), '');
  writeFileSync(dir.file('in', deep, 'file'), 'deep');
  const archive = archived('-C', dir.file('in'), 'block', 'd'.repeat(60), 'empty', 'none');
  expect([...ustarEntries(archive)].map(told)).toEqual([
    ['block', block],
    ['d'.repeat(60)],
    [deep],
    [`${deep}/file`, 'deep'],
    ['empty'],
    ['none', ''],
  ]);
  // PGlite's names begin at the root.
  const rooted = archived('-C', dir.file('in'), '--transform=s,^,/,', '-P', 'block');
  expect([...ustarEntries(rooted)].map(told)).toEqual([['block', block]]);
});

test('an archive that is cut off, leads out of its root, or holds a link is refused', () => {
  writeFileSync(dir.file('file'), 'abc');
  execFileSync('ln', ['-s', 'file', dir.file('link')]);
  const whole = archived('-C', dir.path, 'file');
  for (const size of [0, 512, 515]) expect(() => [...ustarEntries(whole.subarray(0, size))]).toThrow('cut off');
  const outside = archived('-P', '-C', dir.path, '--transform=s,^,../,', 'file');
  expect(() => [...ustarEntries(outside)]).toThrow('leads nowhere');
  expect(() => [...ustarEntries(archived('-C', dir.path, 'link'))]).toThrow('found type 50');
});
