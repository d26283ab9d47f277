/** Carries entries into a log that has just opened: directly after its entry 0, before anything else. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Observer } from '../contracts/observed.ts';
import { carriedAlready, carriedDraft, isSameCarried, itemsToCarry } from './carry.ts';
import type { HeldLog } from './held-log.ts';
import type { Opening } from './log-record.ts';
import type { LogWriter } from './log-writer.ts';

/** Drafts handed over before the next flush. */
const CARRY_GROUP = 512;

export interface CarrierOptions {
  readonly crypto: EvidenceCrypto;
  readonly observer: Observer;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly find: (origin: string) => HeldLog | undefined;
  /** Resolves when what was appended is durable. */
  readonly flush: (writer: LogWriter) => Promise<void>;
}

/** How many entries there are to carry: entry 0 says it before they come. */
export function countToCarry(options: CarrierOptions, opening: Opening): number {
  let count = 0;
  for (const { log, from } of opening.carry) {
    const source = options.find(log);
    if (source === undefined) continue;
    for (const item of itemsToCarry(options.crypto, { database: source.database, from })) {
      if (item.kind === 'entry') count += 1;
    }
  }
  return count;
}

/** Goes on where the new log's rows say that a crash left off, and notes the end when all is durable. */
export async function carryInto(
  options: CarrierOptions,
  target: HeldLog,
  opening: Opening,
  writer: LogWriter,
): Promise<void> {
  const { crypto, observer, logger, metrics } = options;
  const done = carriedAlready(target.database);
  let expected = done.next();
  for (const { log, from } of opening.carry) {
    const source = options.find(log);
    if (source === undefined) {
      logger.warn({ log }, 'a log whose entries were to be carried is not here any more');
      continue;
    }
    let carried = 0;
    let gone = 0;
    let waiting = 0;
    for (const item of itemsToCarry(crypto, { database: source.database, from })) {
      if (item.kind === 'gone') {
        gone += 1;
        continue;
      }
      carried += 1;
      if (expected.done !== true && isSameCarried(expected.value, item.carried)) {
        expected = done.next();
        continue;
      }
      writer.append(carriedDraft(item, observer.observe().upMs));
      waiting += 1;
      if (waiting % CARRY_GROUP === 0) {
        await options.flush(writer);
        await turn();
      }
    }
    await options.flush(writer);
    metrics.count('journal_carried', carried);
    if (gone > 0) metrics.count('journal_carry_gone', gone);
    logger.info({ from: source.name, into: target.name, carried, gone }, 'carried entries over');
  }
  target.record.setCarryEnd(target.size);
}
