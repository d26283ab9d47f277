/** The open wire at length: both sides over a million frames, libFuzzer, the model of its sessions, sizes, the dissector. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hex } from '../../src/base/bytes.ts';
import { C_WARNINGS, compileFirmware, librarySources } from '../support/firmware.ts';
import { stackDepths } from '../support/stack-depth.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { compareSides } from '../support/wire-differential.ts';
import { soundLines } from '../support/wire-mutations.ts';
import { BURST_MAX, recover } from '../support/wire-recovery.ts';
import { sealedLine, verdictOf } from '../support/wire-verdict.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const FRAMES = Number(process.env['CAMPAIGN_WIRE_FRAMES'] ?? 1_000_000);
const FUZZ_S = Number(process.env['CAMPAIGN_FUZZ_S'] ?? 600);
/** What README.md promises to firmware authors. */
const STACK_BYTES_MAX = 768;
const folder = resolve(import.meta.dirname, '../../firmware-protocol');

let dir: TempDir;
let startedMs: number;
beforeEach(() => {
  dir = makeTempDir();
  startedMs = Date.now();
});
afterEach(() => dir.remove());

test(`C and TypeScript give the same verdict on ${FRAMES} mutated frames`, async () => {
  const seed = campaignSeed();
  const { lines, differences, words, exitCode } = await compareSides(FRAMES, seed, true);
  expect(differences).toEqual([]);
  expect(exitCode).toBe(0);
  const verdicts = [...words].map(([word, count]) => `${word} ${count}`).join(', ');
  await recordResult({
    scenario: 'open wire: C against TypeScript',
    counts: `${lines} inputs: ${verdicts}`,
    seed,
    startedMs,
  });
});

test('whatever burst of 1 to 32 bytes lies wherever in 10,000 frames, C delivers what it left alone and nothing else', async () => {
  const program = compileFirmware({ main: 'test/recovery.c', sanitized: false });
  const seed = campaignSeed();
  const limit = { timeout: 3_000_000 };
  const found = JSON.parse(execFileSync(program, [String(seed), '10000', '1'], limit).toString()) as Recovered;
  // Every position, 32 lengths but for the last bytes, 9 patterns.
  expect(found.cases).toBe(9 * (BURST_MAX * found.bytes - (BURST_MAX * (BURST_MAX - 1)) / 2));
  expect(found.whole_compared).toBeGreaterThan(100);
  await recordResult({
    scenario: 'open wire: bursts of 1 to 32 bytes, C',
    counts: `${found.cases} bursts: 9 patterns of each length at each of ${found.bytes} bytes; each frame left alone delivered, nothing that was not sent; ${found.crc_passed} passed the CRC alone; ${found.whole_compared} windows as in the whole stream`,
    seed,
    startedMs,
  });
});

test('the same of TypeScript, the patterns in turns', async () => {
  const seed = campaignSeed();
  const found = recover({ seed, frames: 10_000, stride: 1, patterns: 1, wholeEvery: 100_003 });
  expect(found.cases).toBe(BURST_MAX * found.bytes - (BURST_MAX * (BURST_MAX - 1)) / 2);
  expect(found.wholeCompared).toBeGreaterThan(100);
  await recordResult({
    scenario: 'open wire: bursts of 1 to 32 bytes, TypeScript',
    counts: `${found.cases} bursts: each length at each of ${found.bytes} bytes, 9 patterns in turns; each frame left alone delivered, nothing that was not sent; ${found.wholeCompared} windows as in the whole stream`,
    seed,
    startedMs,
  });
});

interface Recovered {
  readonly bytes: number;
  readonly cases: number;
  readonly crc_passed: number;
  readonly whole_compared: number;
}

test(`libFuzzer finds nothing in ${FUZZ_S} seconds`, async () => {
  const flags = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all', '-g'];
  const program = compileFirmware({ main: 'test/fuzz.c', sanitized: false, compiler: 'clang', flags });
  const seed = campaignSeed() % 0x7fff_ffff;
  const args = [`-max_total_time=${FUZZ_S}`, '-max_len=1024', `-seed=${seed}`, '-print_final_stats=1', dir.path];
  const ran = spawnSync(program, args, { timeout: 1_000 * (FUZZ_S + 300), encoding: 'utf8', cwd: dir.path });
  expect(ran.status, ran.stderr.slice(-2_000)).toBe(0);
  const runs = /stat::number_of_executed_units: (\d+)/.exec(ran.stderr)?.[1];
  const edges = [...ran.stderr.matchAll(/cov: (\d+)/g)].at(-1)?.[1];
  expect(Number(runs)).toBeGreaterThan(10_000);
  await recordResult({
    scenario: 'open wire: libFuzzer',
    counts: `${runs} inputs, ${edges} edges, no finding`,
    seed,
    startedMs,
  });
});

interface Model {
  readonly file: string;
  readonly what: string;
  /** What the broken edition breaks is found by this assertion. */
  readonly noticed: RegExp;
}

const MODELS: readonly Model[] = [
  { file: 'session', what: 'a session', noticed: /assertion violated/ },
  { file: 'bus', what: 'two devices on a bus', noticed: /assertion violated \(meantFor/ },
  { file: 'went-back', what: 'copies and restored devices', noticed: /assertion violated .*owedEvents/ },
];

test.each(MODELS)(
  'the model of $what has no deadlock and breaks no assertion, and a broken one does',
  async (model) => {
    const { file, what, noticed } = model;
    const check = (name: string, ...defines: readonly string[]): string => {
      copyFileSync(join(folder, `model/${file}.pml`), join(dir.path, `${file}.pml`));
      execFileSync('spin', [...defines, '-a', `${file}.pml`], { cwd: dir.path, timeout: 60_000 });
      const flags = ['-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', name, 'pan.c'];
      execFileSync('gcc', flags, { cwd: dir.path, timeout: 120_000 });
      return execFileSync(join(dir.path, name), ['-m200000'], { cwd: dir.path, timeout: 900_000 }).toString();
    };
    const whole = check('pan');
    expect(whole).toMatch(/errors: 0\n/);
    expect(whole).not.toContain('Search not completed');
    // Nothing holds because nothing happens: every line of the model was reached but for ends that are none.
    const unreached = [...whole.matchAll(/state \d+, "(.*)"/g)].map(([, line]) => line);
    expect(unreached.filter((line) => line !== '-end-')).toEqual([]);
    expect(check('pan-broken', '-DBROKEN')).toMatch(noticed);
    const states = /(\d+) states, stored/.exec(whole)?.[1];
    await recordResult({
      scenario: `open wire: model of ${what}`,
      counts: `${states} states, no error; broken: found`,
      startedMs,
    });
  },
);

test('what a frame costs each processor here', async () => {
  const program = compileFirmware({ main: 'test/harness.c', sanitized: false });
  const told = execFileSync(program, ['bench'], { timeout: 120_000 }).toString().trim().split('\n');
  const inC = new Map(told.map((line): [number, number] => [Number(line.split(' ')[0]), Number(line.split(' ')[1])]));
  const rounds = 5_000;
  const rows = [5, 32, 250].map((size) => {
    const plain = new Uint8Array(size + 1).fill(0x19);
    const run = (): void => {
      for (let i = 0; i < rounds; i += 1) expectOk(verdictOf(sealedLine(false, 7, i, plain)));
    };
    // Once for the compiler.
    run();
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    const us = (user + system) / rounds;
    return `${size} bytes: C ${inC.get(size)?.toFixed(1)} us, TypeScript ${us.toFixed(0)} us`;
  });
  await recordResult({
    scenario: 'open wire: a frame sealed, sent, heard and opened',
    counts: rows.join('; '),
    startedMs,
  });
});

function expectOk(verdict: string): void {
  if (!verdict.endsWith(' ok;')) throw new Error(verdict);
}

test('sizes on a Cortex-M0, and no libc but memcpy', async () => {
  const cross = [
    '-mcpu=cortex-m0',
    '-mthumb',
    '-Os',
    '-ffreestanding',
    '-fno-tree-loop-distribute-patterns',
    '-fcallgraph-info=su',
    ...C_WARNINGS,
  ];
  const objects = librarySources().map((source, i) => {
    const object = `${i}.o`;
    execFileSync('arm-none-eabi-gcc', [...cross, '-c', source, '-o', object], { cwd: dir.path, timeout: 120_000 });
    return object;
  });
  writeFileSync(join(dir.path, 'ram.c'), `#include "${folder}/c/lkw_device.h"\nlkw_device device;\n`);
  execFileSync('arm-none-eabi-gcc', [...cross, '-c', 'ram.c', '-o', 'ram.o'], { cwd: dir.path, timeout: 120_000 });
  const sizeOf = (names: readonly string[]): readonly number[][] =>
    execFileSync('arm-none-eabi-size', [...names], { cwd: dir.path, timeout: 60_000 })
      .toString()
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/).slice(0, 3).map(Number));
  const code = sizeOf(objects).reduce((sum, [text = 0, data = 0]) => sum + text + data, 0);
  const ram = sizeOf(['ram.o'])[0]?.[2] ?? 0;
  expect(sizeOf(objects).every(([, data, bss]) => data === 0 && bss === 0)).toBe(true);
  expect(code).toBeLessThan(8_192);
  expect(ram).toBeLessThan(2_048);
  const graphs = objects.map((name) => readFileSync(join(dir.path, name.replace(/o$/, 'ci')), 'utf8'));
  const [deepest] = stackDepths(graphs);
  expect(deepest?.path[0]).toBe('lkw_receive');
  expect(deepest?.bytes).toBeLessThan(STACK_BYTES_MAX);
  const compiler = execFileSync('arm-none-eabi-gcc', ['-dumpfullversion'], { timeout: 60_000 }).toString().trim();
  await recordResult({
    scenario: 'open wire: sizes on a Cortex-M0',
    counts: `arm-none-eabi-gcc ${compiler} -Os: ${code} bytes of code, ${ram} bytes for a device, ${deepest?.bytes} bytes of stack (${deepest?.path.join(' > ')})`,
    startedMs,
  });
});

test('the dissector reads every sound frame, and tells a damaged one', async () => {
  const damaged = Uint8Array.from(soundLines()[0] ?? [], (byte, i) => (i === 5 ? byte ^ 1 : byte));
  const lines = [...soundLines(), damaged];
  const dump = lines.map((line) => `0000 ${hex(line).replaceAll(/../g, (byte) => `${byte} `)}\n`).join('\n');
  writeFileSync(join(dir.path, 'frames.txt'), dump);
  execFileSync('text2pcap', ['-q', '-l', '147', 'frames.txt', 'line.pcap'], { cwd: dir.path, timeout: 60_000 });
  const script = `lua_script:${join(folder, 'wireshark/latchkey.lua')}`;
  const fields = ['latchkey.from', 'latchkey.address', 'latchkey.sealed', 'latchkey.type', '_ws.expert.message'];
  const args = ['-X', script, '-r', 'line.pcap', '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
  const rows = execFileSync('tshark', args, { cwd: dir.path, timeout: 120_000 }).toString().split('\n').slice(0, -1);
  expect(rows).toHaveLength(lines.length);
  expect(rows.slice(0, -1).filter((row) => !/^(?:gateway|device)\t(?:7|255)\t[01]\t[A-Z]*\t$/.test(row))).toEqual([]);
  expect(rows.at(-1)).toContain('CRC-32 does not fit');
  expect(rows.some((row) => row.includes('CHALLENGE'))).toBe(true);
  await recordResult({ scenario: 'open wire: dissector', counts: `${rows.length} frames read by tshark`, startedMs });
});
