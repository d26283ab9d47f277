/**
 * The benchmark: `npm run bench [-- --json] [--write] [--dir FOLDER] [--events N] [--seconds S]
 * [--only open-wire|intake|decisions]`.
 *
 * Ours and the floor side by side, in one run. It says what it does on standard error. With `--json` its last line on
 * standard output is one object; with `--write` it renews RESULTS.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Child } from '../../simulators/demo/child-process.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import type { Bench } from './bench.ts';
import { diskFolder } from './disk.ts';
import { busySeconds, machine } from './proc.ts';
import { type Findings, figuresOf, resultsText, rowsOf, tableOf } from './report.ts';
import { decisionsText, withDecisions } from './report-decisions.ts';
import { intakeText, withIntake } from './report-intake.ts';
import { openWireText, withOpenWire } from './report-open-wire.ts';
import { measureDecisions } from './stage-decisions.ts';
import { drain, fillBacklog, verifyExport } from './stage-drain.ts';
import { measureIdle } from './stage-idle.ts';
import { compareIngest, traceSyscalls } from './stage-ingest.ts';
import { measureIntake } from './stage-intake.ts';
import { measureLatency } from './stage-latency.ts';
import { measureOpenWire } from './stage-open-wire.ts';
import { measureTpm } from './stage-tpm.ts';

const EVENTS = 1_000_000;
const INGEST_S = 30;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      dir: { type: 'string' },
      events: { type: 'string', default: String(EVENTS) },
      only: { type: 'string' },
      seconds: { type: 'string', default: String(INGEST_S) },
    },
  });
  const startMs = performance.now();
  const say = (line: string): void => {
    process.stderr.write(`${((performance.now() - startMs) / 1_000).toFixed(0).padStart(4)} s  ${line}\n`);
  };
  const busyBefore = await otherWork();
  const { path: folder, fsType } = diskFolder(values.dir);
  const size = { events: Number(values.events), ingestS: Number(values.seconds) };
  const alone = { folder, progress: say, ...size };
  if (values.only !== undefined) return onlyOne(values.only, alone, busyBefore, values.write);
  const broker = await startMosquitto();
  const { owned, own } = owner();
  const bench: Bench = { ...alone, broker, own };
  try {
    say(`in ${folder} (${fsType}), broker ${brokerVersion()}`);
    const traced = await traceSyscalls(bench);
    say(`strace: ${traced.figures.fsyncs} fsyncs for ${traced.figures.commits} commits`);
    const { floor, ingest, stages } = await compareIngest(bench, traced.leavesFile);
    const { latency, wire } = await measureLatency(bench);
    const backlog = await fillBacklog(bench);
    const drained = await drain(bench, backlog);
    const verify = await verifyExport(bench, backlog);
    const idle = await measureIdle(bench);
    const tpm = await measureTpm(bench);
    const intake = intakeText(await measureIntake(bench), machine(), busyBefore, today());
    const decided = decisionsText(await measureDecisions(bench), machine(), busyBefore, today());
    const openWire = openWireText(await measureOpenWire(bench), machine(), busyBefore, today());
    const found: Findings = {
      brokerVersion: brokerVersion(),
      fsType,
      machine: machine(),
      syscalls: traced.figures,
      floor,
      ingest,
      stages,
      latency,
      wire,
      drain: drained,
      verify,
      idle,
      tpm,
      tookS: (performance.now() - startMs) / 1_000,
      busyBefore,
      date: today(),
    };
    if (values.write) {
      const written = withIntake(withOpenWire(resultsText(found, bench), openWire), intake);
      writeFileSync(resultsPath(), withDecisions(written, decided));
    }
    process.stdout.write(`${tableOf(rowsOf(found))}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(figuresOf(found))}\n`);
  } finally {
    for (const child of owned) if (child.running) child.signal('SIGKILL');
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function owner(): { readonly owned: readonly Child[]; readonly own: Bench['own'] } {
  const owned: Child[] = [];
  const own = (child: Child): Child => {
    owned.push(child);
    return child;
  };
  return { owned, own };
}

/** One of the stages that need nothing of the others: its section of RESULTS.md. */
async function onlyOne(
  only: string,
  alone: Omit<Bench, 'broker' | 'own'>,
  busyBefore: number,
  write: boolean,
): Promise<void> {
  const { owned, own } = owner();
  try {
    const section = await sectionOf(only, { ...alone, own }, busyBefore);
    if (write) writeFileSync(resultsPath(), section.put(readFileSync(resultsPath(), 'utf8'), section.text));
    process.stdout.write(section.text);
  } finally {
    for (const child of owned) if (child.running) child.signal('SIGKILL');
    rmSync(alone.folder, { recursive: true, force: true });
  }
}

async function sectionOf(only: string, stage: Omit<Bench, 'broker'>, busyBefore: number) {
  switch (only) {
    case 'open-wire':
      return { put: withOpenWire, text: openWireText(await measureOpenWire(stage), machine(), busyBefore, today()) };
    case 'intake':
      return { put: withIntake, text: intakeText(await measureIntake(stage), machine(), busyBefore, today()) };
    case 'decisions':
      return { put: withDecisions, text: decisionsText(await measureDecisions(stage), machine(), busyBefore, today()) };
    default:
      throw new Error(`--only: expected open-wire, intake or decisions, found ${JSON.stringify(only)}`);
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** Cores that others keep busy before anything of ours runs. */
async function otherWork(): Promise<number> {
  const before = busySeconds();
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  return (busySeconds() - before) / ((performance.now() - startMs) / 1_000);
}

function brokerVersion(): string {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
  const { stdout } = spawnSync('mosquitto', ['-h'], { env, encoding: 'utf8' });
  return /mosquitto version [\d.]+/.exec(stdout ?? '')?.[0] ?? 'mosquitto';
}

/** Beside the sources, wherever the build lies. */
function resultsPath(): string {
  const folder = join(process.cwd(), 'test', 'bench');
  if (!existsSync(folder)) throw new Error('--write: run it in the repository');
  return join(folder, 'RESULTS.md');
}

await main();
