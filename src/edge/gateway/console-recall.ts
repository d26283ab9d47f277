/**
 * The console's memory at a start. Doors that were forced before stand in a state that the journal keeps; where there is
 * none (a version that kept none, a log whose record is lost), the newest entries of the logs that are here say it.
 */
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Journal } from '../journal/journal.ts';
import { ConsoleMemory, type ConsoleMemoryParts, RECALL_MAX } from './console-memory.ts';

const STATE_NAME = 'console';

export interface RecallParts extends Omit<ConsoleMemoryParts, 'state'> {
  readonly journal: Pick<Journal, 'log' | 'status' | 'loadState' | 'saveState'>;
  readonly logger: Logger;
}

export function openMemory(parts: RecallParts): ConsoleMemory {
  const { journal, logger } = parts;
  const state = {
    load: () => journal.loadState(STATE_NAME),
    save: (text: string) => journal.saveState(STATE_NAME, text),
  };
  const memory = new ConsoleMemory({ ...parts, state });
  if (!memory.isBlank) return memory;
  const { spans, beyond } = newestOf(journal.status().logs);
  for (const { origin, from, to } of spans) {
    try {
      memory.recall(journal.log(origin).database.leaves(from, to));
    } catch (error) {
      // The journal itself says what cannot be read.
      logger.warn(
        { log: origin, error: messageOf(error) },
        'the console does not know which doors that log saw forced',
      );
    }
  }
  if (beyond > 0) logger.warn({ entries: beyond }, 'the console has not looked for forced doors in older entries');
  return memory;
}

interface Span {
  readonly origin: string;
  readonly from: number;
  readonly to: number;
}

/** The newest entries of all logs together, oldest first, and how many there are before them. */
export function newestOf(logs: readonly { readonly origin: string; readonly size: number }[]): {
  readonly spans: readonly Span[];
  readonly beyond: number;
} {
  const spans: Span[] = [];
  let left = RECALL_MAX;
  for (const { origin, size } of [...logs].reverse()) {
    const from = Math.max(0, size - left);
    if (size > from) spans.unshift({ origin, from, to: size });
    left -= size - from;
  }
  const all = logs.reduce((sum, { size }) => sum + size, 0);
  return { spans, beyond: all - (RECALL_MAX - left) };
}
