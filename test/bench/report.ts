/** The figures as one object for programs, as a table for people, and as RESULTS.md. */
import type {
  Bench,
  DrainFigures,
  FloorFigures,
  IdleFigures,
  IngestFigures,
  LatencyFigures,
  SyscallFigures,
  TpmFigures,
  VerifyFigures,
  WireFigures,
} from './bench.ts';
import { round } from './figures.ts';
import type { Machine } from './proc.ts';
import type { StageTime } from './profile.ts';

export interface Findings {
  readonly brokerVersion: string;
  readonly fsType: string;
  readonly machine: Machine;
  readonly syscalls: SyscallFigures;
  readonly floor: FloorFigures;
  /** The default settings first. */
  readonly ingest: readonly IngestFigures[];
  /** Only when ours fell short of the floor. */
  readonly stages: readonly StageTime[];
  readonly latency: LatencyFigures;
  readonly wire: readonly WireFigures[];
  readonly drain: DrainFigures;
  readonly verify: VerifyFigures;
  readonly idle: IdleFigures;
  readonly tpm: TpmFigures;
  readonly tookS: number;
  /** Cores that other work kept busy just before the first stage. */
  readonly busyBefore: number;
  readonly date: string;
}

export type Figures = Readonly<Record<string, number | string>>;

/** Names as the benchmark promises them, units last. */
export function figuresOf(found: Findings): Figures {
  const { syscalls, floor, ingest, latency, wire, drain, verify, idle, tpm } = found;
  const bare = Math.max(...floor.perS);
  const at = (what: number): number => ingest[what]?.perS ?? 0;
  const wireAt = (entries: number): WireFigures | undefined => wire.find((one) => one.entries === entries);
  return {
    broker: found.brokerVersion,
    fs_type: found.fsType,
    commits: syscalls.commits,
    fsyncs: syscalls.fsyncs,
    ingest_per_s: at(0),
    bare_qos1_per_s: bare,
    ingest_ratio: round(at(0) / bare, 2),
    ingest_clear_per_s: at(1),
    ingest_clear_ratio: round(at(1) / bare, 2),
    ingest_consumer_per_s: at(2),
    ingest_consumer_ratio: round(at(2) / bare, 2),
    ingest_refused: ingest.reduce((sum, one) => sum + one.refused, 0),
    durable_p50_ms: round(latency.durableP50Ms, 2),
    durable_p99_ms: round(latency.durableP99Ms, 2),
    durable_p99_limit_ms: round(durableLimitMs(latency), 2),
    ack_p50_ms: round(latency.ackP50Ms, 2),
    ack_p99_ms: round(latency.ackP99Ms, 2),
    fsync_p50_ms: round(latency.fsyncP50Ms, 2),
    fsync_p99_ms: round(latency.fsyncP99Ms, 2),
    drain_events: drain.events,
    drain_per_s: drain.perS,
    drain_rss_mb: round(drain.rssMaxMb, 1),
    startup_ms: round(drain.startupMs),
    uplink_live_ms: round(drain.liveMs),
    verify_events: verify.events,
    verify_per_s: verify.perS,
    verify_per_core_s: verify.perCoreS,
    verify_rss_mb: round(verify.rssMaxMb, 1),
    export_per_s: verify.exportPerS,
    wire_bytes_1: round(wireAt(1)?.bytes ?? 0, 1),
    wire_bytes_10: round(wireAt(10)?.bytes ?? 0, 1),
    wire_bytes_100: round(wireAt(100)?.bytes ?? 0, 1),
    idle_cpu_pct: round(idle.cpuPct, 2),
    anchored_ratio: round(tpm.withPerS / tpm.withoutPerS, 2),
    anchored_per_s: tpm.withPerS,
    unanchored_per_s: tpm.withoutPerS,
    anchor_p50_ms: round(tpm.anchorP50Ms, 2),
    anchor_p99_ms: round(tpm.anchorP99Ms, 2),
    tpm_sign_p50_ms: round(tpm.signP50Ms, 2),
    tpm_raw_ms: round(tpm.rawMs, 3),
    tpm_command_ms: round(tpm.commandMs, 3),
    tpm_protected_ms: round(tpm.protectedMs, 3),
    tpm_startup_ms: round(tpm.startupMs),
    busy_before_cores: round(found.busyBefore, 2),
    took_s: round(found.tookS),
  };
}

/** What the 99th percentile is to stay below. */
function durableLimitMs({ groupCommitMs, fsyncP99Ms }: LatencyFigures): number {
  return groupCommitMs + 3 * fsyncP99Ms;
}

type Row = readonly [what: string, found: string, wanted: string];

/** Ratios first. */
export function rowsOf(found: Findings): readonly Row[] {
  const { floor, ingest, latency, wire, drain, verify, idle, syscalls, tpm } = found;
  const bare = Math.max(...floor.perS);
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const us = (value: number): string => `${round(1_000 * value)} us`;
  return [
    ...ingest.map(
      (one, i): Row => [`ingest to floor: ${one.what}`, (one.perS / bare).toFixed(2), i === 0 ? '>= 1, aim 1.5' : ''],
    ),
    ['events acknowledged with anchors to without', (tpm.withPerS / tpm.withoutPerS).toFixed(2), '>= 0.97'],
    ['an anchor to a bare TPM2_Sign', (tpm.anchorP50Ms / tpm.signP50Ms).toFixed(2), ''],
    ['a TPM command by the client to the same bytes on a raw socket', (tpm.commandMs / tpm.rawMs).toFixed(2), ''],
    ['p99 scan to durable, to its limit', (latency.durableP99Ms / durableLimitMs(latency)).toFixed(2), '< 1'],
    ['fsyncs to commits (under strace)', (syscalls.fsyncs / syscalls.commits).toFixed(2), ''],
    ['floor: messages acknowledged', `${bare}/s, best of ${floor.perS.join(', ')}`, ''],
    ...ingest.map((one): Row => [`events acknowledged: ${one.what}`, `${one.perS}/s`, '']),
    [
      'scan to durable at 100/s, p50 and p99',
      `${ms(latency.durableP50Ms)}, ${ms(latency.durableP99Ms)}`,
      `p99 < ${ms(durableLimitMs(latency))}`,
    ],
    ['scan to acknowledged at 100/s, p50 and p99', `${ms(latency.ackP50Ms)}, ${ms(latency.ackP99Ms)}`, ''],
    ['one fsync of this disk, p50 and p99', `${ms(latency.fsyncP50Ms)}, ${ms(latency.fsyncP99Ms)}`, ''],
    [`drain of ${drain.events} events`, `${drain.perS}/s`, ''],
    [
      'resident memory while draining, most and mean',
      `${round(drain.rssMaxMb)} MB, ${round(drain.rssMeanMb)} MB`,
      '< 200 MB',
    ],
    ['start with that backlog', `${round(drain.startupMs)} ms`, '< 2,000 ms'],
    [
      `verify an export of ${verify.events} events`,
      `${verify.perS}/s, ${verify.perCoreS}/s a core`,
      'aim 100,000/s a core',
    ],
    ['resident memory while verifying, most', `${round(verify.rssMaxMb)} MB`, ''],
    ...wire.map(
      (one): Row => [
        `wire bytes an event, batches of ${one.entries}`,
        `${one.bytes.toFixed(0)} (${one.withCheckpoints.toFixed(0)} with the checkpoint)`,
        '',
      ],
    ),
    [`idle with ${idle.boards} boards polled`, `${idle.cpuPct.toFixed(1)} % of a core`, ''],
    [
      'events acknowledged with and without anchors',
      `${tpm.withPerS}/s, ${tpm.withoutPerS}/s; ${tpm.anchors} anchors`,
      '',
    ],
    ['an anchor, p50 and p99; TPM2_Sign', `${ms(tpm.anchorP50Ms)}, ${ms(tpm.anchorP99Ms)}; ${ms(tpm.signP50Ms)}`, ''],
    [
      'a TPM command raw, by the client, protected',
      `${us(tpm.rawMs)}, ${us(tpm.commandMs)}, ${us(tpm.protectedMs)}`,
      '',
    ],
    ['start with a TPM', `${round(tpm.startupMs)} ms`, ''],
  ];
}

export function tableOf(rows: readonly Row[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map(([what, is, wanted]) => `${what.padEnd(widths[0] ?? 0)}  ${is.padEnd(widths[1] ?? 0)}  ${wanted}`.trimEnd())
    .join('\n');
}

export function resultsText(found: Findings, bench: Pick<Bench, 'events' | 'ingestS'>): string {
  const { machine, floor, ingest, latency, drain, verify, idle, syscalls } = found;
  const rows = rowsOf(found).map(([what, is, wanted]) => `| ${what} | ${is} | ${wanted} |`);
  return `# Measured speed

The figures of the last \`npm run bench -- --write\`, ${found.date}; it took ${round(found.tookS)} s.

| | found | wanted |
|---|---|---|
${rows.join('\n')}

## Machine

${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB; Linux ${machine.kernel}, Node ${machine.node},
${found.brokerVersion}; data on ${found.fsType}. Just before the run
other work kept ${found.busyBefore.toFixed(2)} cores busy${found.busyBefore > 0.3 ? ', so that only the ratios mean anything, and they little' : ''}. Everything of a stage (broker, daemon, consumer,
simulators, this benchmark) shares the ${machine.cores} cores.

## What was measured, and what ran beside it

* **Floor**: Debian's mosquitto at its defaults; one \`mqtt\` process publishes the same leaf bytes (${floor.leafBytes} on average), one a
  message, QoS 1, 1,000 outstanding. Nobody subscribes. Best of ${floor.perS.length}, run between the stages of ours.
* **Ingest**: the daemon as a child process; scans enter where a driver hands them on, as fast as the appender takes
  them (at most 1,024 wait, ${ingest.reduce((sum, one) => sum + one.refused, 0)} were refused), for ${bench.ingestS} s. Guard, schema, SQLite with fsync, note and batch signatures are on. Counted
  are events whose batch the broker acknowledged, divided by the time until it acknowledged the last one. Since the
  uplink runs ahead of receipts by a bounded amount only, somebody must give them: the *receipt giver* cosigns what
  arrives and verifies nothing; *latchkey receive* is the real consumer, which verifies and stores everything on the
  same cores.
${ingest.map(ingestLine).join('\n')}
* **fsyncs**: ${syscalls.fsyncs} fsync and fdatasync calls of the whole process, counted by strace in a run of its own, beside the
  ${syscalls.commits} commits (${syscalls.events} scans) of that run. Beyond one for each commit they are WAL checkpoints, receipts, custody states.
* **Latency**: ${latency.samples} scans at 100/s. The limit is the group-commit time (${latency.groupCommitMs} ms) and three fsyncs of this disk, measured in the
  same run.
* **Drain**: ${drain.events} entries taken while the broker was away (${drain.fillPerS}/s), then \`latchkey run\` and \`latchkey receive\`. Drained
  is what the consumer has stored and receipted. Start: from the start of the process to its first answer on the control
  socket (its uplink was live after ${round(drain.liveMs)} ms, 500 ms of it spent listening for retained messages). The consumer took at
  most ${round(drain.receiverRssMaxMb)} MB.
* **Verify**: \`latchkey verify\` of ${round(verify.exportMb)} MB, start of the process included; exported at ${verify.exportPerS}/s. *A core*: events
  for each second of processor time of the whole process, with the threads in which V8 compiles and collects garbage.
* **Wire**: the batch's PUBLISH packet with topic and properties, from real batches.
* **Idle**: \`latchkey run\` with ${idle.boards} boards on 4 pseudo-terminals of \`latchkey simulate\` (another process), all
  ${idle.boards * 16} compartments commissioned, each bus at its default pace (a round took up to ${round(idle.cycleMs)} ms), for ${round(idle.seconds)} s; ${round(idle.rssMb)} MB.
* **TPM**: swtpm, which computes in the processor of the same machine; a chip takes 20 to 200 ms for a signature. An
  anchor is NV_Increment and NV_Certify in a salted session of their own, the answer verified. With anchors the log
  key is sealed in the TPM, and the flood is anchored every 5 s (a box that hands out parcels all the time anchors every
  10 s); best of three runs each, in turns. Start: as above, with an empty journal.
${stagesText(found.stages)}`;
}

function stagesText(stages: readonly StageTime[]): string {
  if (stages.length === 0) return '';
  const all = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  const rows = stages.map(
    ({ stage, seconds }) => `| ${stage} | ${seconds.toFixed(2)} | ${((100 * seconds) / all).toFixed(1)} % |`,
  );
  return `
## Time of each stage

Ours fell short of the floor. Samples of the daemon's main thread over a profiled run of its own, from its start to its
end, waits included.

| stage | s | share |
|---|---|---|
${rows.join('\n')}
`;
}

function ingestLine(one: IngestFigures): string {
  const cpu = `${one.cpuUs.toFixed(1)} us of a core an event, ${one.perCommit} events a commit`;
  return `  * ${one.what}: ${one.events} events, ${one.perS}/s acknowledged, ${one.durablePerS}/s durable; ${cpu}; ${one.busyCores.toFixed(2)} cores busy.`;
}
