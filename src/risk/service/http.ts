/** What of the service answers over HTTP: the API, and beside it the webhooks of declared sources. */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type HttpServer, startHttp } from '../../platform/http/server.ts';
import { custodyRates } from '../api/custody-rates.ts';
import { createRiskApi } from '../api/http-api.ts';
import type { BundleMaker, EpcisMaker, EvidenceKeeper, HealthCheck } from '../api/parts.ts';
import type { ApiSettings } from '../api/settings.ts';
import { TokenKeys } from '../api/token-keys.ts';
import { CaseBook, evidenceName } from '../casework/case-book.ts';
import { HoldBook } from '../casework/hold-book.ts';
import type { RefundDesk } from '../casework/refund-desk.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { ReceiverMonitor } from '../receive/monitor.ts';
import { sourceRoutes } from '../sources/http.ts';
import { openSources, SourcesRoom } from '../sources/room.ts';
import { SOURCES_ROUTE } from '../sources/route.ts';
import type { SourceSettings } from '../sources/settings.ts';
import type { RiskDatabase } from '../store/open-database.ts';

export interface HttpRooms {
  readonly settings: ApiSettings;
  readonly sources: readonly SourceSettings[];
  readonly rememberedMs: number;
  readonly owner: { readonly tenant: string; readonly region: string };
  readonly database: RiskDatabase;
  readonly desk: RefundDesk;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly bundles: BundleMaker;
  readonly epcis: EpcisMaker;
  readonly monitor: Pick<ReceiverMonitor, 'readiness' | 'text'>;
  readonly crypto: EvidenceCrypto;
  readonly customers: CustomerNames;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const SOURCES_ROOT = '/v1/sources/';
/** What stands behind each reason of a process that is not ready; others are checks of their own name. */
const CHECKS = {
  database: ['database_away'],
  intake: ['store_down', 'intake_stalled'],
  broker: ['broker_away', 'not_subscribed', 'receipts_stalled'],
  ledger: ['ledger_stopped'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Rejects with PORT_BUSY, CONFIG_UNREADABLE, CONFIG_INVALID, KEY_PERMISSIONS or KEY_LOST. */
export async function serveHttp(rooms: HttpRooms): Promise<HttpServer> {
  const { settings, scheduler: clock, logger } = rooms;
  const tokenKeys = await TokenKeys.open(settings.token_key_file, settings.name);
  const api = createRiskApi({
    ...rooms,
    tokenKeys,
    clock,
    holds: new HoldBook(rooms.database),
    evidence: evidenceKeeper(rooms),
    rates: custodyRates(rooms.database),
    metricsText: async () => (await rooms.monitor.text()).text,
    health: { ready: () => checks(rooms.monitor) },
    beside: [SOURCES_ROUTE],
  });
  const sources = sourceRoutes(await sourcesRoom(rooms), logger);
  const isSource = ({ url }: Request): boolean => new URL(url).pathname.startsWith(SOURCES_ROOT);
  return startHttp({
    settings: settings.http,
    handle: (request, address) => (isSource(request) ? sources.fetch(request) : api.handle(request, address)),
    tooMany: (request, address) => (isSource(request) ? api.tooMany() : api.handle(request, address, true)),
    clock,
    logger,
  });
}

function evidenceKeeper({ database, owner, crypto, scheduler }: HttpRooms): EvidenceKeeper {
  const cases = new CaseBook(database);
  return {
    kept: (refundId, bundle, keptAs, actor) => {
      const name = evidenceName(crypto, bundle, keptAs);
      return cases.evidenceKept(refundId, { name, actor, atMs: scheduler.wallMs() }, owner);
    },
  };
}

async function sourcesRoom({
  sources,
  rememberedMs,
  owner,
  database,
  desk,
  crypto,
  customers,
  scheduler,
  logger,
  metrics,
}: HttpRooms): Promise<SourcesRoom> {
  return new SourcesRoom({
    database,
    crypto,
    customers,
    rememberedMs,
    sources: await openSources(sources, crypto),
    ...owner,
    clock: scheduler,
    logger,
    metrics,
    settle: (refundId, { settlement_ref, ...word }) => desk.settle(refundId, { reference: settlement_ref, ...word }),
  });
}

async function checks(monitor: HttpRooms['monitor']): Promise<readonly HealthCheck[]> {
  const { reasons } = await monitor.readiness();
  const known = Object.entries(CHECKS).map(([name, words]): HealthCheck => {
    const found = reasons.find(({ reason }) => words.some((word) => word === reason));
    return { name, ok: found === undefined, ...(found !== undefined && { detail: found.detail }) };
  });
  const listed: readonly string[] = Object.values(CHECKS).flat();
  const others = reasons.filter(({ reason }) => !listed.includes(reason));
  return [...known, ...others.map(({ reason, detail }) => ({ name: reason, ok: false, detail }))];
}
