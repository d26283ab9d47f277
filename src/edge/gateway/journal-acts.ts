/**
 * What an operator does to a journal: rotate its log, erase a person's entries. In the running gateway, or, when none
 * runs, in a journal that is opened for it under its lock, in a start of its own that the log shows.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { createObserver } from '../clock/observer.ts';
import type { Observer } from '../contracts/observed.ts';
import { type ErasableLog, type EraseReport, type EraseSelection, findEntries, reportOf } from '../journal/erase.ts';
import { inspectJournal } from '../journal/inspect.ts';
import type { Journal, Rotation } from '../journal/journal.ts';
import { type GatewayKeys, openKeys } from './gateway-keys.ts';
import { openGatewayJournal } from './open-journal.ts';
import type { GatewaySettings } from './settings.ts';
import { openedData } from './words.ts';

const FLUSH_LIMIT_MS = 30_000;

export interface OfflineParts {
  readonly settings: GatewaySettings;
  readonly version: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Rejects with JOURNAL_BUSY while a gateway runs, JOURNAL_MISSING, and like `Journal.rotate`. */
export function rotateOffline(parts: OfflineParts): Promise<Rotation> {
  return inOpenedJournal(parts, (journal) => journal.rotate(parts.signal));
}

/** A dry run changes nothing on the disk. Rejects like `rotateOffline`. */
export async function eraseOffline(
  parts: OfflineParts,
  selection: EraseSelection,
  execute: boolean,
): Promise<EraseReport> {
  const found = await findOffline(parts, selection);
  if (!execute || found.logs.length === 0) return found;
  if (found.logs.some(({ firstWaiting }) => firstWaiting !== undefined)) return { ...found, outcome: 'refused' };
  return inOpenedJournal(parts, (journal) => journal.erase({ selection, execute, signal: parts.signal }));
}

async function findOffline({ settings, signal }: OfflineParts, selection: EraseSelection): Promise<EraseReport> {
  const inspection = inspectJournal(settings.gateway.data_dir, nodeCrypto);
  try {
    const all = [];
    for (const log of inspection.logs) {
      if (log.database === undefined) continue;
      const limit =
        log.isSettled === true ? log.database.size() : inspection.receiptedSize(log.database, settings.receivers);
      const one: ErasableLog = { origin: log.database.origin, database: log.database, limit, isWritable: true };
      all.push(await findEntries(one, selection, { signal }));
    }
    const closed = inspection.logs.filter(({ database }) => database === undefined).map(({ name }) => name);
    const aside = inspection.setAside.map(({ name, nth }) => `${name}.${nth}`);
    const logs = reportOf('found', all, new Map());
    return { outcome: 'found', logs, unsearched: [...closed, ...aside], isHeldByCustody: false };
  } finally {
    inspection.close();
  }
}

/** `act` in a journal that is opened for it; with `mayBeNew` it is made when this box has none yet. */
export async function inOpenedJournal<T>(
  parts: OfflineParts,
  act: Act<T>,
  options: { readonly mayBeNew?: boolean } = {},
): Promise<T> {
  const { settings, version, logger, signal } = parts;
  const { data_dir: dataDir } = settings.gateway;
  if (options.mayBeNew !== true && !existsSync(join(dataDir, 'journal'))) {
    throw new LatchkeyError('JOURNAL_MISSING', `no journal is in ${dataDir}`);
  }
  if (existsSync(dataDir)) mustOwn(dataDir);
  const scheduler = systemScheduler();
  // A command does not ask where the wall time comes from: its entries claim nothing of it.
  const observer = createObserver(scheduler, { claim: () => ({ src: 'none' }) });
  const about = () => openedData({ settings, version });
  const metrics = new MemoryMetrics();
  const keys = await openKeys({ settings, scheduler, logger, signal });
  try {
    const opened = { settings, keys, scheduler, logger, metrics, observer, about, signal };
    return await actAndClose(await openGatewayJournal(opened), { keys, observer }, act);
  } finally {
    await keys.close();
  }
}

interface ActParts {
  readonly keys: GatewayKeys;
  readonly observer: Observer;
}

type Act<T> = (journal: Journal, parts: ActParts) => Promise<T>;

async function actAndClose<T>(journal: Journal, parts: ActParts, act: Act<T>): Promise<T> {
  const { observer } = parts;
  try {
    const result = await act(journal, parts);
    // Nobody looked at a device meanwhile: the next start tells its blind time from the gateway's own last entry.
    journal.keepPreviousEnd();
    // Whether the last run of the gateway ended in order must still show after this one.
    if (journal.previousEnd?.clean !== false) {
      const body = { type: 'gateway.stopped', data: { reason: 'command' } };
      journal.appender.append({ observed: observer.observe(), body, urgent: true });
      await journal.appender.flush(AbortSignal.timeout(FLUSH_LIMIT_MS));
    }
    return result;
  } finally {
    await journal.close();
  }
}

/** Files of another user would keep the gateway from its own journal. */
function mustOwn(dataDir: string): void {
  const { uid: owner } = statSync(dataDir);
  const user = process.getuid?.();
  if (user === owner) return;
  const message = `expected to act on ${dataDir} as its owner, user ${owner}, found user ${user}: the gateway could not read what is written`;
  throw new LatchkeyError('KEY_PERMISSIONS', message);
}
