/** What firmware authors are promised of the C side: no warnings, no libc but memcpy, no allocation, a bounded stack. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { C_WARNINGS, compileFirmware, librarySources } from '../../support/firmware.ts';
import { stackDepths } from '../../support/stack-depth.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

/** Of one function on this machine. */
const FRAME_BYTES_MAX = 512;
/** Of the deepest call chain on this machine, whose registers are twice as wide as a Cortex-M0's. */
const STACK_BYTES_MAX = 1_024;
/** What GCC may call by itself, however freestanding it is told to be. */
const HELPERS = /^(?:__stack_chk_fail|__gnu_thumb1_case_\w+|__aeabi_\w+)$/;

let dir: TempDir;
beforeAll(() => {
  dir = makeTempDir();
  const flags = [
    '-Os',
    '-ffreestanding',
    '-fno-tree-loop-distribute-patterns',
    '-fstack-usage',
    '-fcallgraph-info=su',
    ...C_WARNINGS,
  ];
  for (const source of librarySources()) {
    const object = join(dir.path, `${basename(source, '.c')}.o`);
    execFileSync('gcc', [...flags, '-c', source, '-o', object], { timeout: 120_000, cwd: dir.path });
  }
});
afterAll(() => dir.remove());

test('it compiles without a warning, and needs memcpy of libc and nothing else', () => {
  const objects = readdirSync(dir.path).filter((name) => name.endsWith('.o'));
  expect(objects).toHaveLength(4);
  const symbols = (flag: string): readonly string[] =>
    execFileSync('nm', ['-P', flag, ...objects], { cwd: dir.path, timeout: 60_000 })
      .toString()
      .split('\n')
      .flatMap((line) => (/^[\w.]+ [A-Z]/.test(line) ? [line.split(' ')[0] ?? ''] : []));
  const own = new Set(symbols('--defined-only'));
  const needed = new Set(symbols('--undefined-only').filter((name) => !own.has(name) && !HELPERS.test(name)));
  expect(own.has('lkw_receive')).toBe(true);
  expect([...needed]).toEqual(['memcpy']);
});

test('the stack of each function is known at compile time and small', () => {
  const lines = readdirSync(dir.path)
    .filter((name) => name.endsWith('.su'))
    .flatMap((name) => readFileSync(join(dir.path, name), 'utf8').trim().split('\n'));
  expect(lines.length).toBeGreaterThan(40);
  const unbounded = lines.filter((line) => !/\t(?:static|dynamic,bounded)$/.test(line));
  expect(unbounded).toEqual([]);
  const large = lines.filter((line) => Number(line.split('\t')[1]) > FRAME_BYTES_MAX);
  expect(large).toEqual([]);
});

test('the deepest chain of calls is bounded, and none of them calls itself', () => {
  const graphs = readdirSync(dir.path)
    .filter((name) => name.endsWith('.ci'))
    .map((name) => readFileSync(join(dir.path, name), 'utf8'));
  expect(graphs).toHaveLength(4);
  const depths = stackDepths(graphs);
  expect(depths.map(({ entry }) => entry)).toContain('lkw_receive');
  expect(depths[0]?.path).toEqual(expect.arrayContaining(['lkw_receive', 'lkw_aes128']));
  expect(depths[0]?.bytes).toBeGreaterThan(200);
  expect(depths[0]?.bytes).toBeLessThan(STACK_BYTES_MAX);
});

test('a chain that comes back to itself, or a frame of any size, is noticed', () => {
  const node = (name: string, frame: string): string =>
    `node: { title: "${name}" label: "${name}\\nx.c:1:1\\n${frame}" }`;
  const edge = (from: string, to: string): string =>
    `edge: { sourcename: "${from}" targetname: "${to}" label: "x.c:1:1" }`;
  const two = [node('a', '8 bytes (static)'), node('b', '16 bytes (static)'), edge('a', 'b')];
  expect(stackDepths([two.join('\n')])[0]).toEqual({ entry: 'a', bytes: 24, path: ['a', 'b'] });
  expect(() => stackDepths([[...two, edge('b', 'a')].join('\n')])).toThrow('calls itself');
  expect(() => stackDepths([node('c', '8 bytes (dynamic)')])).toThrow('its frame is dynamic');
});

test('whatever is said to a device, sanitizers find nothing', () => {
  const program = compileFirmware({ main: 'test/fuzz.c', sanitized: true, flags: ['-DALONE'] });
  const printed = execFileSync(program, ['20261122', '4000'], { timeout: 240_000 }).toString();
  expect(printed).toBe('4000\n');
});
