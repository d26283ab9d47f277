/**
 * The benchmark of refund decisions alone: `node dist/test/bench/decisions.js [--events N] [--seconds S] [--dir FOLDER] [--json]`.
 * The full measure is `--events 1000000`.
 */
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { diskFolder } from './disk.ts';
import { type DecisionFigures, measureDecisions, type Rate } from './stage-decisions.ts';

const EVENTS = 100_000;
const SECONDS = 5;

export function decisionTable({
  postgres,
  seeded,
  decisions,
  constant,
  transaction,
  steady,
  serverCpuMs,
}: DecisionFigures): string {
  const line = (what: string, { perS, p50Ms, p99Ms }: Rate): string =>
    `${what.padEnd(44)}${String(perS).padStart(7)}/s  p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms`;
  const rows = decisions.flatMap((own, i) => {
    const [bare, floor] = [transaction[i], constant[i]];
    if (bare === undefined || floor === undefined) return [];
    const share = (of: Rate): string => (own.perS / of.perS).toFixed(3);
    return [
      line(`decisions, ${own.clients} clients`, own),
      line(`  the same server answering a constant`, floor),
      line(`  a bare transaction`, bare),
      `  decisions to the constant ${share(floor)}, to the bare transaction ${share(bare)}`,
    ];
  });
  return [
    `PostgreSQL ${postgres}, ${seeded.events} events (stored at ${seeded.storePerS}/s, read into the ledger at ${seeded.readPerS}/s)`,
    ...rows,
    `${line('decisions at a steady 500/s', steady)}  (wanted: p99 < 50 ms)`,
    `processor time of the server for one decision: ${serverCpuMs} ms`,
  ].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      dir: { type: 'string' },
      events: { type: 'string', default: String(EVENTS) },
      seconds: { type: 'string', default: String(SECONDS) },
    },
  });
  const { path: folder } = diskFolder(values.dir);
  try {
    const found = await measureDecisions({
      folder,
      events: Number(values.events),
      seconds: Number(values.seconds),
      progress: (line) => void process.stderr.write(`${line}\n`),
    });
    process.stdout.write(`${decisionTable(found)}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(found)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
