/**
 * Takes in an export: consecutive batches in a file, handed over by a person, so that a gap can be closed or a store be
 * filled. It is believed no more than what comes over the broker; only a gap below it is taken without asking.
 */
import { BATCH_BYTES_MAX, hintOf } from '../../evidence/batch/batch.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { BatchSplitter } from '../../evidence/verify/split-batches.ts';
import type { Intake } from './intake.ts';
import type { Outcome } from './outcome.ts';

export interface ImportReport {
  readonly batches: number;
  /** How many batches ended how. `accepted` and `known` are good ends. */
  readonly outcomes: Readonly<Partial<Record<Outcome | 'incomplete', number>>>;
}

/** Reads to the end, whatever is refused on the way. Resolves when what was accepted is durable or given up. */
export async function importExport(intake: Intake, source: AsyncIterable<Uint8Array>): Promise<ImportReport> {
  const splitter = new BatchSplitter();
  const outcomes: Partial<Record<Outcome | 'incomplete', number>> = {};
  let batches = 0;
  const note = (outcome: Outcome | 'incomplete'): void => {
    batches += 1;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  for await (const chunk of source) {
    const whole: Uint8Array[] = [];
    splitter.push(chunk, (batch) => whole.push(new Uint8Array(batch)));
    for (const batch of whole) note(await takeOne(intake, batch));
  }
  if (splitter.rest().length > 0) note('incomplete');
  await intake.settled();
  return { batches, outcomes };
}

async function takeOne(intake: Intake, batch: Uint8Array): Promise<Outcome> {
  if (batch.length > BATCH_BYTES_MAX) return 'too_long';
  const origin = parseOrigin(hintOf(batch).origin ?? '');
  return origin.ok ? intake.importBatch(batch, origin.value.gateway) : 'no_origin';
}
