/** What of the service answers over HTTP: the API, and beside it the webhooks of declared sources. */
import { sql } from 'kysely';
import { withTimeout } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MemoryMetrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type HttpServer, startHttp } from '../../platform/http/server.ts';
import { metricsText } from '../../platform/metrics-text.ts';
import { custodyRates } from '../api/custody-rates.ts';
import { createRiskApi } from '../api/http-api.ts';
import type { BundleMaker, EpcisMaker, HealthCheck } from '../api/parts.ts';
import type { ApiSettings } from '../api/settings.ts';
import { TokenKeys } from '../api/token-keys.ts';
import { HoldBook } from '../casework/hold-book.ts';
import type { RefundDesk } from '../casework/refund-desk.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { Receiver } from '../receive/receive.ts';
import { sourceRoutes } from '../sources/http.ts';
import { openSources, SourcesRoom } from '../sources/room.ts';
import type { SourceSettings } from '../sources/settings.ts';
import type { RiskDatabase } from '../store/open-database.ts';

export interface HttpRooms {
  readonly settings: ApiSettings;
  readonly sources: readonly SourceSettings[];
  readonly owner: { readonly tenant: string; readonly region: string };
  readonly database: RiskDatabase;
  readonly desk: RefundDesk;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly bundles: BundleMaker;
  readonly epcis: EpcisMaker;
  readonly receiver: Pick<Receiver, 'isConnected' | 'storeFailure'>;
  readonly metrics: MemoryMetrics;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

const SOURCES_ROOT = '/v1/sources/';
const CHECK_LIMIT_MS = 2_000;

/** Rejects with PORT_BUSY, CONFIG_UNREADABLE, CONFIG_INVALID, KEY_PERMISSIONS or KEY_LOST. */
export async function serveHttp(rooms: HttpRooms): Promise<HttpServer> {
  const { settings, scheduler: clock, logger } = rooms;
  const tokenKeys = await TokenKeys.open(settings.token_key_file, settings.name);
  const api = createRiskApi({
    ...rooms,
    tokenKeys,
    clock,
    holds: new HoldBook(rooms.database),
    rates: custodyRates(rooms.database),
    metricsText: () => metricsText('latchkey', rooms.metrics.snapshot()),
    health: { ready: () => checks(rooms) },
  });
  const sources = sourceRoutes(await sourcesRoom(rooms), logger);
  return startHttp({
    settings: settings.http,
    handle: (request, address) =>
      new URL(request.url).pathname.startsWith(SOURCES_ROOT) ? sources.fetch(request) : api.handle(request, address),
    tooMany: () => api.tooMany(),
    clock,
    logger,
  });
}

async function sourcesRoom({
  sources,
  owner,
  database,
  desk,
  crypto,
  scheduler,
  logger,
}: HttpRooms): Promise<SourcesRoom> {
  return new SourcesRoom({
    database,
    crypto,
    sources: await openSources(sources, crypto),
    ...owner,
    clock: scheduler,
    logger,
    settle: (refundId, { settlement_ref, ...word }) => desk.settle(refundId, { reference: settlement_ref, ...word }),
  });
}

async function checks({ database, receiver, scheduler }: HttpRooms): Promise<readonly HealthCheck[]> {
  const asked = database.as('payments', (trx) => sql`select 1`.execute(trx));
  asked.catch(() => undefined);
  const failure = await withTimeout(scheduler, CHECK_LIMIT_MS, 'an answer of the database', asked).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  const { storeFailure } = receiver;
  return [
    { name: 'database', ok: failure === undefined, ...(failure !== undefined && { detail: failure }) },
    { name: 'intake', ok: storeFailure === undefined, ...(storeFailure && { detail: storeFailure.message }) },
    { name: 'broker', ok: receiver.isConnected },
  ];
}
