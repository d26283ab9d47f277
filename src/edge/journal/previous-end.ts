/** How the run before this one ended, as the newest log's last entries tell. */
import { z } from 'zod';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseLeaf } from '../../evidence/event/leaf.ts';
import type { HeldLog } from './held-log.ts';

export interface PreviousEnd {
  readonly origin: string;
  readonly index: number;
  /** `gateway.stopped` is followed by nothing but `anchor.made`. */
  readonly clean: boolean;
  /** Of the last entry: start number in its log, monotonic time in that start, wall clock as claimed. */
  readonly boot: number;
  readonly upMs: number;
  readonly at: string;
}

/** Anchors come at most every ten seconds and end with the stop, so a clean end shows within a few entries. */
const LOOK_BACK = 64;

/** Undefined when the log holds no entry of its own that can be read. */
export function previousEnd(log: HeldLog): PreviousEnd | undefined {
  const events = lastEvents(log).filter((event) => event.carried === undefined);
  const last = events.at(-1);
  if (last === undefined) return undefined;
  const said = events.findLast((event) => event.type !== 'anchor.made');
  const { boot, up_ms: upMs, at } = last;
  const clean = said?.type === 'gateway.stopped' && said.boot === boot && !log.salvaged;
  return { origin: log.origin, index: last.n, clean, boot, upMs, at };
}

/** Name of the saved state in which a run that looked at nothing leaves how the run before it ended. */
export const RUN_STATE = 'run_before';

const end = z.strictObject({
  origin: z.string(),
  index: z.int().min(0),
  clean: z.boolean(),
  boot: z.int().min(0),
  upMs: z.int(),
  at: z.string(),
});
const stored = z.strictObject({ origin: z.string(), boot: z.int().min(1), before: end });

/** Kept by a run that is no run of the gateway, start `boot` of log `origin`: its end is not what the next one is told. */
export function formatRunBefore(origin: string, boot: number, before: PreviousEnd): string {
  return JSON.stringify({ origin, boot, before });
}

/** How the last run of the gateway itself ended, where `last` is the end of a run that kept the one before. */
export function runBefore(last: PreviousEnd | undefined, text: string | undefined): PreviousEnd | undefined {
  if (last === undefined || text === undefined) return last;
  const parsed = stored.safeParse(parsedJson(text));
  if (!parsed.success) return last;
  const { origin, boot, before } = parsed.data;
  return origin === last.origin && boot === last.boot ? before : last;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRotated(log: HeldLog): boolean {
  return lastEvents(log, 1).at(-1)?.type === 'key.rotated';
}

function lastEvents(log: HeldLog, count = LOOK_BACK): readonly CustodyEvent[] {
  const { database } = log;
  const size = database.size();
  const events: CustodyEvent[] = [];
  try {
    for (const { leaf } of database.leaves(Math.max(0, size - count), size)) {
      const parsed = leaf === undefined ? undefined : parseLeaf(leaf);
      if (parsed?.ok === true && parsed.value.kind !== 'unknown_version') events.push(parsed.value.event);
    }
  } catch {
    // A damaged end says nothing; it is found and set aside when the rows are verified.
  }
  return events;
}
