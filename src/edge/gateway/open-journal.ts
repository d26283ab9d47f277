/** The journal of these settings, for the daemon and for commands that act on it while none runs. */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Observer } from '../contracts/observed.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { GatewayKeys } from './gateway-keys.ts';
import { ownEnrolment } from './own-enrolment.ts';
import type { GatewaySettings } from './settings.ts';

export interface GatewayJournalParts {
  readonly settings: GatewaySettings;
  readonly keys: GatewayKeys;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly observer: Observer;
  /** The gateway's members of a log's entry 0. */
  readonly about: () => JsonObject;
  readonly signal?: AbortSignal | undefined;
}

/** Rejects like `openJournal`. */
export async function openGatewayJournal(parts: GatewayJournalParts): Promise<Journal> {
  const { settings, keys, scheduler, logger, metrics, observer, about, signal } = parts;
  const { id, operator_domain: operatorDomain, data_dir: dataDir } = settings.gateway;
  const enrolment = ownEnrolment(settings, keys, logger);
  return openJournal({
    dataDir,
    operatorDomain,
    gatewayId: id,
    keyStore: keys.store,
    receiptKeys: settings.receivers,
    crypto: nodeCrypto,
    scheduler,
    logger: logger.child({ room: 'journal' }),
    metrics,
    settings: settings.journal,
    observer,
    about,
    ...(keys.readCounter !== undefined && { readCounter: keys.readCounter }),
    ...(enrolment !== undefined && { enrolment }),
    ...(signal !== undefined && { signal }),
  });
}
