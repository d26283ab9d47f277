/**
 * `latchkey risk serve` and `latchkey risk --embedded`: intake, ledger, decisions and their API in one process on one
 * database, from start to signal.
 *
 * Parts stop in the order in which they depend on each other: first nobody asks any more, then the ledger stands still,
 * then what gateways sent is stored and receipted, then the database is closed.
 */
import { join } from 'node:path';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { lockFile } from '../../platform/file-lock.ts';
import type { HttpServer } from '../../platform/http/server.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { Caseworker, type CaseworkerParts } from '../casework/caseworker.ts';
import { WebhookSink } from '../casework/webhook-sink.ts';
import { openCustomerNames } from '../customers/customer-names.ts';
import { makeRuleset } from '../decision/ruleset.ts';
import type { WitnessKey } from '../intake/witness-key.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { PatternRounds } from '../patterns/rounds.ts';
import { promotionsOf } from '../patterns/settings.ts';
import { type OpenedStore, openStore } from '../receive/open-store.ts';
import { openKey, policyOf, Receiver } from '../receive/receive.ts';
import { RetentionRounds, type RetentionRoundsParts } from '../retention/rounds.ts';
import { openErasureKey } from '../retention/statement.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { dossier } from './dossier.ts';
import { serviceHealth } from './health.ts';
import { serveHttp } from './http.ts';
import { LedgerPump } from './ledger-pump.ts';
import { openRooms } from './rooms.ts';
import { actionsWithoutPlace, type RiskSettings } from './settings.ts';

const DAY_MS = 86_400_000;

export interface RiskDeps {
  readonly logger: Logger;
  /** Called once, when the API listens and the subscriptions stand. */
  readonly onReady?: (url: string | undefined) => void;
  readonly version?: string;
  readonly scheduler?: Scheduler;
  readonly crypto?: EvidenceCrypto;
}

/**
 * Runs until the signal fires and everything taken is stored and receipted (bounded). Rejects when it cannot start:
 * CONFIG_UNREADABLE, CONFIG_INVALID, KEY_PERMISSIONS, KEY_LOST, STORE_BUSY, STORE_IO, PORT_BUSY.
 */
export async function runRiskService(settings: RiskSettings, deps: RiskDeps, signal: AbortSignal): Promise<void> {
  const crypto = deps.crypto ?? nodeCrypto;
  await makeDirectory(settings.dataDir).catch((error: unknown) => {
    throw new LatchkeyError('STORE_IO', `cannot make ${settings.dataDir}: ${messageOf(error)}`, { cause: error });
  });
  const lock = lockFile(join(settings.dataDir, 'service.lock'), 'STORE_BUSY', `the service in ${settings.dataDir}`);
  try {
    const opened = await openStore(settings.receive, crypto);
    try {
      await new RiskService(settings, deps, crypto).run(opened, signal);
    } finally {
      await opened.close();
    }
  } finally {
    lock.release();
  }
}

class RiskService {
  readonly #settings: RiskSettings;
  readonly #deps: RiskDeps;
  readonly #crypto: EvidenceCrypto;
  readonly #scheduler: Scheduler;
  readonly #metrics = new MemoryMetrics();
  #pump: LedgerPump | undefined;
  #caseworker: Caseworker | undefined;
  #patterns: PatternRounds | undefined;
  #retention: RetentionRounds | undefined;
  #server: HttpServer | undefined;

  constructor(settings: RiskSettings, deps: RiskDeps, crypto: EvidenceCrypto) {
    this.#settings = settings;
    this.#deps = deps;
    this.#crypto = crypto;
    this.#scheduler = deps.scheduler ?? systemScheduler();
  }

  async run(opened: OpenedStore, signal: AbortSignal): Promise<void> {
    const { database } = opened;
    if (database === undefined) throw new LatchkeyError('CONFIG_INVALID', 'database: expected one, found files');
    const { key, made } = await openKey(this.#settings.receive, this.#crypto);
    if (made)
      this.#deps.logger.warn({ vkey: formatVkey(key.vkey) }, 'made a new key for receipts: gateways must be told');
    const receiver = await this.#receiver(opened, key);
    try {
      await this.#open(database, receiver, key);
    } catch (error) {
      // What was opened has timers of its own, and would keep the process.
      await this.#server?.close();
      await this.#pump?.stop();
      await receiver.run(AbortSignal.abort());
      throw error;
    }
    const working = new AbortController();
    const casework = Promise.all([
      this.#caseworker?.run(working.signal),
      this.#patterns?.run(working.signal),
      this.#retention?.run(working.signal),
    ]);
    const receiving = new AbortController();
    // A receiver that fails ends the service as a signal does.
    const ended = receiver.run(receiving.signal);
    await Promise.race([fired(signal), ended.catch(() => undefined)]);
    this.#deps.logger.info({}, 'the risk service stops');
    await this.#server?.close();
    working.abort();
    await casework;
    await this.#pump?.stop();
    receiving.abort();
    await ended;
  }

  async #receiver({ store, leases, database }: OpenedStore, key: WitnessKey): Promise<Receiver> {
    const { receive } = this.#settings;
    const { logger, version } = this.#deps;
    const policy = await policyOf(receive, this.#crypto);
    const deps = {
      logger,
      scheduler: this.#scheduler,
      metrics: this.#metrics,
      status: () => this.#status(),
      more: () => {
        const rounds = { patterns: this.#patterns?.status(), retention: this.#retention?.status() };
        return serviceHealth(this.#pump?.status(), this.#caseworker?.latest, rounds);
      },
      ...(version !== undefined && { version }),
      onReady: () => this.#ready(),
    };
    return Receiver.open({
      settings: receive,
      deps,
      crypto: this.#crypto,
      store,
      key,
      policy,
      ...(leases && { leases }),
      ...(database && { database }),
    });
  }

  async #open(database: RiskDatabase, receiver: Receiver, key: WitnessKey): Promise<void> {
    const { receive, ruleset, ledger: ledgerSettings, ledgerEveryMs, api, sources, legal, patterns } = this.#settings;
    const { logger } = this.#deps;
    const scheduler = this.#scheduler;
    const pumped = (ledger: ConstructorParameters<typeof LedgerPump>[0]['ledger']): LedgerPump => {
      this.#pump = new LedgerPump({ ledger, scheduler, logger, everyMs: ledgerEveryMs });
      return this.#pump;
    };
    const { tenant, region } = receive;
    const crypto = this.#crypto;
    const rules = makeRuleset(crypto, ruleset);
    const customers = await openCustomerNames({ crypto, database, path: this.#settings.customersKeyFile, tenant });
    const shared = { database, crypto, customers, logger };
    const own = { settings: receive, ledgerSettings, ruleset: rules, legal };
    const rooms = openRooms({ ...shared, ...own, clock: scheduler }, pumped);
    this.#pump?.start();
    await this.#openCasework({ ...shared, ledger: rooms.ledger, ruleset: rules, tenant, region, legal, scheduler });
    this.#patterns = new PatternRounds({
      ...{ database, logger, scheduler, tenant, region },
      largeUsdMinor: rules.parameters.velocity_usd_minor,
      promotions: promotionsOf(patterns),
      everyMs: patterns.every_minutes * 60_000,
    });
    this.#retention = await this.#openRetention({ ...shared, tenant, region }, rooms.ledger);
    if (api === undefined) return;
    this.#server = await serveHttp({
      ...shared,
      desk: rooms.desk,
      ledger: this.#pump ?? rooms.ledger,
      settings: api,
      sources,
      rememberedMs: this.#settings.retention.source_events_days * DAY_MS,
      owner: { tenant, region },
      ...(await dossier({ ...shared, ledger: this.#pump ?? rooms.ledger, clock: scheduler }, this.#settings, key)),
      monitor: receiver.monitor,
      scheduler,
      metrics: this.#metrics,
    });
  }

  /** Late facts, clocks of holds, and commands on their way out. */
  async #openCasework(parts: Omit<CaseworkerParts, 'sink'>): Promise<void> {
    const sink = new WebhookSink({ endpoints: this.#settings.webhooks, clock: this.#scheduler });
    await sink.check();
    const actions = actionsWithoutPlace(this.#settings.webhooks);
    if (actions.length > 0)
      parts.logger.warn(
        { actions },
        'no webhook takes these commands: they wait, and so does what follows them for the same refund',
      );
    this.#caseworker = new Caseworker({ ...parts, sink });
  }

  async #openRetention(
    parts: Pick<RetentionRoundsParts, 'database' | 'crypto' | 'customers' | 'logger' | 'tenant' | 'region'>,
    ledger: LedgerStore,
  ): Promise<RetentionRounds> {
    const { dataDir, retention: settings } = this.#settings;
    return new RetentionRounds({
      ...parts,
      settings,
      key: await openErasureKey(parts.crypto, dataDir, parts),
      scheduler: this.#scheduler,
      metrics: this.#metrics,
      catchUp: (signal) => this.#pump?.upToDate() ?? ledger.catchUp(signal),
    });
  }

  #ready(): void {
    const { logger, onReady } = this.#deps;
    const { database, role } = { database: this.#settings.receive.store, role: this.#settings.receive.witness.role };
    const engine = typeof database === 'string' ? database : 'postgres';
    logger.info({ url: this.#server?.url, database: engine, receipts: role }, 'the risk service runs');
    onReady?.(this.#server?.url);
  }

  #status(): object {
    return {
      ledger: this.#pump?.status(),
      ...this.#caseworker?.latest,
      patterns: this.#patterns?.status(),
      retention: this.#retention?.status(),
      ...(this.#server !== undefined && { api: { url: this.#server.url } }),
    };
  }
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
