/** A start of the journal: which log goes on, which one opens, and what is carried over first. */
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { OpenCause } from './continuity.ts';
import type { HeldLog } from './held-log.ts';
import type { LogKeeper, NextLog } from './log-keeper.ts';
import type { LogSet } from './log-set.ts';
import { isRotated } from './previous-end.ts';
import { type FoundLog, planStart } from './start-plan.ts';

export interface StartOptions {
  readonly operatorDomain: string;
  readonly gatewayId: string;
}

/** Rejects with JOURNAL_IO, JOURNAL_FULL and KEY_LOCKED when no log can be opened. */
export async function startLogs(options: StartOptions, keeper: LogKeeper): Promise<void> {
  const { set } = keeper;
  const { closes, goOn, open } = planStart({
    logs: set.logs.map((log) => foundLog(options, set, log)),
    lost: set.lost,
    unreadable: set.unreadable,
  });
  for (const { origin, cause } of closes) {
    const log = set.find(origin);
    // Under another gateway's topics nobody would take them.
    const isElsewhere = log?.parts.gateway !== options.gatewayId;
    if (log !== undefined)
      keeper.mark(log, { kind: 'closed', cause, sendEnd: isElsewhere ? log.receiptedSize : log.noteSize });
  }
  keeper.saved.load(set.logs.at(-1)?.record.allSaved() ?? new Map());
  const log = goOn === undefined ? undefined : set.find(goOn);
  if (log === undefined) {
    await keeper.openOnce(nextLog(keeper, open?.cause ?? 'first_start', open?.after), []);
    return;
  }
  await set.dropSpare();
  await keeper.goOn(log);
  // A closed log was damaged, or the log that had taken its entries over was lost.
  if (keeper.owedCarry().length > 0) await keeper.rotate('carry');
}

function nextLog(keeper: LogKeeper, cause: OpenCause, after: string | undefined): NextLog {
  if (after === undefined) return { cause };
  const log = keeper.set.find(after);
  if (log === undefined) return { cause, after: { log: after } };
  const { state } = log;
  if (state.kind !== 'breached' || state.cause === 'quarantined') return { cause, after: keeper.afterOf(log) };
  // A crash came between the breach and the opening: what was found then still counts, never our own head.
  const { expected } = state;
  const found = keeper.afterOf(log).head;
  return {
    cause,
    after: { log: after, ...(expected && { head: expected }) },
    ...(expected && { expected }),
    ...(found && { found }),
    ...(cause === 'counter' && { by: cause }),
  };
}

function foundLog(options: StartOptions, set: LogSet, log: HeldLog): FoundLog {
  const { origin, number, state } = log;
  const parsed = parseOrigin(origin);
  const isOurs =
    parsed.ok && parsed.value.domain === options.operatorDomain && parsed.value.gateway === options.gatewayId;
  const key = log.keyLost ? 'lost' : log.signer === undefined ? 'locked' : 'here';
  const lostBy = log.keyLost ? set.lostBy(origin) : undefined;
  return {
    origin,
    number,
    state,
    key,
    ...(lostBy && { lostBy }),
    isOurs,
    isRotated: state.kind === 'open' && isRotated(log),
  };
}
