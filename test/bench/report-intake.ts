/** The section of RESULTS.md about the consumer's intake. */
import { round } from './figures.ts';
import type { Machine } from './proc.ts';
import type { IntakeFigures } from './stage-intake.ts';

export const INTAKE_HEAD = '## Intake of the consumer';

export function intakeText(found: IntakeFigures, machine: Machine, busyCores: number, date: string): string {
  const { stores, visible, fleet, load, leafBytes } = found;
  const [files] = stores;
  const rows = stores.map(({ store, perS, events, bytesEach }) => {
    const ratio = files === undefined ? '' : (perS / files.perS).toFixed(2);
    return `| ${store} | ${perS} | ${ratio} | ${bytesEach} | ${events} |`;
  });
  return `${INTAKE_HEAD}

${date}, Node ${machine.node}; just before it other work kept ${busyCores.toFixed(2)} of ${machine.cores} cores busy${busyCores > 0.3 ? ', so that only the ratios mean anything, and they little' : ''}.
Batches of 50 events (${leafBytes} bytes the first) of 20 gateways, signed ahead, handed in in turn in one process: verified, stored with what
the store calls durable, cosigned, receipted. Bytes are those of tables and indexes, or of the files.

| store | events/s to the last receipt | to files | bytes an event | events |
|---|---|---|---|---|
${rows.join('\n')}

Two processes of \`latchkey receive\` on one PostgreSQL and one mosquitto, ${fleet.gateways} gateways with batches of 5 events, everything on the same cores:

* From the PUBLISH of a deposit to the first ledger that knows it, asked without pause: p50 ${round(visible.p50Ms)} ms, p99 ${round(visible.p99Ms)} ms (${visible.samples}).
* Each gateway a batch a second: ${fleet.pacedPerS} events/s were receipted; from PUBLISH to receipt p50 ${round(fleet.receipt.p50Ms)} ms, p99 ${round(fleet.receipt.p99Ms)} ms (${fleet.receipt.samples} batches).
* All the rest at once: ${fleet.perS} events/s until the last receipt; ${fleet.busyCores.toFixed(2)} cores busy over both.
* A gateway whose log came in ${load.ranges} pieces is loaded in ${round(load.ms, 1)} ms at a take-over: its last piece is read.
`;
}

/** RESULTS.md with this section in the place of the one before, or at its end. */
export function withIntake(results: string, section: string): string {
  const at = results.indexOf(INTAKE_HEAD);
  if (at < 0) return `${results.trimEnd()}\n\n${section}`;
  const next = results.indexOf('\n## ', at);
  return `${results.slice(0, at)}${section}${next < 0 ? '' : results.slice(next)}`;
}
