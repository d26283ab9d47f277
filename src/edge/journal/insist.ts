/** Steps that the journal cannot go on without: tried until the disk and the key store let them happen. */
import { sleep } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { DiskRoom } from './disk-room.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { LogWriter } from './log-writer.ts';

export interface InsistOptions {
  readonly scheduler: Scheduler;
  readonly settings: JournalSettings;
  readonly logger: Logger;
  readonly room: DiskRoom;
  /** Fires when the journal is closed. */
  readonly signal: AbortSignal;
}

/** Again and again with back-off, until the step is done or the journal is closed. */
export async function insist<T>(options: InsistOptions, what: string, step: () => Promise<T>): Promise<T> {
  const { logger, settings, scheduler, room, signal } = options;
  const backoff = new Backoff({ firstMs: settings.retryFirstMs, maxMs: settings.retryMaxMs });
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof LatchkeyError) || signal.aborted) throw error;
      if (error.code === 'JOURNAL_FULL') room.foundFull();
      const delayMs = backoff.nextMs();
      logger.error({ what, reason: error.message, code: error.code, delayMs }, 'a step of the journal waits');
      await sleep(scheduler, delayMs, signal);
    }
  }
}

/** Until the disk takes it: full and failed are states that end, and the writer tries by itself. */
export async function insistOnFlush(options: InsistOptions, writer: LogWriter): Promise<void> {
  const { scheduler, settings, signal } = options;
  for (;;) {
    try {
      return await writer.flush(signal);
    } catch (error) {
      const { state } = writer;
      if (signal.aborted || (state !== 'full' && state !== 'failed')) throw error;
      await sleep(scheduler, settings.retryFirstMs, signal);
    }
  }
}
