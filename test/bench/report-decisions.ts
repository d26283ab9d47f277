/** The section of RESULTS.md about refund decisions. */
import type { Machine } from './proc.ts';
import { type DecisionFigures, type Rate, WARM_UP } from './stage-decisions.ts';

const HEAD = '## Refund decisions';

export function decisionsText(found: DecisionFigures, machine: Machine, busyCores: number, date: string): string {
  const { postgres, seeded, decisions, constant, transaction, steady, costs } = found;
  const rows = decisions.flatMap((own, i) => {
    const [floor, bare] = [constant[i], transaction[i]];
    if (floor === undefined || bare === undefined) return [];
    const to = (of: Rate): string => `${of.perS} (${(own.perS / of.perS).toFixed(3)})`;
    return [`| ${own.clients} | ${own.perS} | ${own.p50Ms} | ${own.p99Ms} | ${to(floor)} | ${to(bare)} |`];
  });
  const taken = costs.map(({ clients, serverMs, databaseMs, generatorMs, statements }) => {
    const sum = serverMs + databaseMs + generatorMs;
    return `| ${clients} | ${serverMs} | ${databaseMs} | ${generatorMs} | ${sum.toFixed(2)} | ${statements} |`;
  });
  return `${HEAD}

${date}, Node ${machine.node}, PostgreSQL ${postgres}; just before it other work kept ${busyCores.toFixed(2)} of ${machine.cores} cores busy${busyCores > 0.3 ? ', so that rates mean little' : ''}.
Through HTTP over a ledger of ${seeded.events} events in up to 30 daily partitions (stored at ${seeded.storePerS}/s, read into the ledger at
${seeded.readPerS}/s); clients, service and database on the same cores. One decision in ten is a hold. In parentheses: decisions to that floor.
Before it ${WARM_UP} were decided, and the tables analyzed: what is measured has run for a while.

| clients | decisions/s | p50, ms | p99, ms | the same server answering a constant | a bare transaction |
|---|---|---|---|---|---|
${rows.join('\n')}

* At a steady 500/s, from when each should have left: ${steady.perS}/s, p50 ${steady.p50Ms} ms, p99 ${steady.p99Ms} ms (wanted: p99 below 50 ms).

Milliseconds of a processor that one decision takes; whoever asks shares the cores, and deciding is what is left of them:

| clients | the service | the database | who asks | all | statements |
|---|---|---|---|---|---|
${taken.join('\n')}
`;
}

/** RESULTS.md with this section in the place of the one before, or at its end. */
export function withDecisions(results: string, section: string): string {
  const at = results.indexOf(HEAD);
  if (at < 0) return `${results.trimEnd()}\n\n${section}`;
  const next = results.indexOf('\n## ', at);
  return `${results.slice(0, at)}${section}${next < 0 ? '' : results.slice(next)}`;
}
