/**
 * `latchkey receive`: broker, intake and files put together, from start to signal.
 *
 * It has no control socket: what it knows lies in `<data_dir>/status.json`. SIGHUP reads the trust policy again, takes in
 * the exports in `<data_dir>/import/`, and asks the broker for what it retains.
 */
import { join } from 'node:path';
import { sql } from 'kysely';
import { withTimeout } from '../../base/abort.ts';
import { present } from '../../base/assert.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain, LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { fleetFilter, partitionOf, type TopicName } from '../../evidence/wire/topics.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { createMqttConnection } from '../../platform/mqtt/client.ts';
import type { MqttConnection } from '../../platform/mqtt/connection.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { Intake, type IntakeParts } from '../intake/intake.ts';
import { STATEMENTS } from '../intake/receipts.ts';
import type { PartitionLeases } from '../intake/sql-store/leases.ts';
import { intakeStatus } from '../intake/status.ts';
import type { IntakeStore } from '../intake/store.ts';
import { openWitnessKey, type WitnessKey } from '../intake/witness-key.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { importFolder } from './import-folder.ts';
import { askedWitnesses, Levels, type LevelsParts } from './levels.ts';
import { ReceiverMonitor, type ReceiverMonitorParts } from './monitor.ts';
import { openStore } from './open-store.ts';
import { loadPolicy } from './policy-file.ts';
import { Replica } from './replica.ts';
import type { ReceiveSettings } from './settings.ts';
import { StatusFile } from './status-file.ts';

export interface ReceiveDeps {
  readonly logger: Logger;
  /** Calls the listener when settings files are to be read again; returns the unsubscribe. SIGHUP unless given. */
  readonly onReload?: (listener: () => void) => () => void;
  /** Called once when the first subscription stands. */
  readonly onReady?: () => void;
  readonly metrics?: MemoryMetrics;
  /** More for status.json. */
  readonly status?: () => object;
  /** More for monitoring. */
  readonly more?: ReceiverMonitorParts['more'];
  readonly version?: string;
  readonly scheduler?: Scheduler;
  readonly crypto?: EvidenceCrypto;
}

const MIB = 1_048_576;
const NAMES: readonly TopicName[] = ['batch', 'checkpoint', 'enrolment', 'status'];
/** Filters in one SUBSCRIBE. */
const FILTERS_AT_ONCE = 64;
const PUBLISH_POLL_MS = 20;

/** C2SP verifier key of this receiver's receipts; the key is made when there is none. */
export async function receiverVkey(settings: ReceiveSettings, crypto: EvidenceCrypto = nodeCrypto): Promise<string> {
  const { key } = await openKey(settings, crypto);
  return formatVkey(key.vkey);
}

/**
 * Runs until the signal fires and everything taken is stored and receipted (bounded). Rejects when it cannot start:
 * CONFIG_UNREADABLE, CONFIG_INVALID, KEY_PERMISSIONS, KEY_LOST, STORE_BUSY, STORE_IO.
 */
export async function runReceive(settings: ReceiveSettings, deps: ReceiveDeps, signal: AbortSignal): Promise<void> {
  const crypto = deps.crypto ?? nodeCrypto;
  const policy = await policyOf(settings, crypto);
  await makeDirectory(settings.data_dir).catch((error: unknown) => {
    throw new LatchkeyError('STORE_IO', `cannot make ${settings.data_dir}: ${messageOf(error)}`, { cause: error });
  });
  const opened = await openStore(settings, crypto);
  const { store, leases, database } = opened;
  try {
    const { key, made } = await openKey(settings, crypto);
    const receiver = await Receiver.open({
      settings,
      deps,
      crypto,
      store,
      key,
      policy,
      ...(leases && { leases }),
      ...(database && { database }),
    });
    if (made) deps.logger.warn({ vkey: formatVkey(key.vkey) }, 'made a new key for receipts: gateways must be told');
    await receiver.run(signal);
  } finally {
    await opened.close();
  }
}

export function policyOf(settings: ReceiveSettings, crypto: EvidenceCrypto): Promise<IntakeParts['policy']> {
  return loadPolicy(crypto, settings.policy, { trustFirstUse: settings.trust_first_use });
}

export function openKey(settings: ReceiveSettings, crypto: EvidenceCrypto) {
  const path = settings.witness.key_file ?? join(settings.data_dir, 'keys', 'witness.key');
  return openWitnessKey(crypto, path, settings.witness.name);
}

export interface ReceiverParts {
  readonly settings: ReceiveSettings;
  readonly deps: ReceiveDeps;
  readonly crypto: EvidenceCrypto;
  readonly store: IntakeStore;
  /** Both of a store in a database. */
  readonly leases?: PartitionLeases;
  readonly database?: RiskDatabase;
  readonly key: WitnessKey;
  readonly policy: IntakeParts['policy'];
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #metrics: MemoryMetrics;
  readonly #connection: MqttConnection;
  readonly #status: StatusFile;
  #intake!: Intake;
  #replica: Replica | undefined;
  #levels: Levels | undefined;
  #state: 'starting' | 'running' | 'stopping' | 'stopped' = 'starting';
  #policyError: string | undefined;
  #policyLogs: number;
  #isReady = false;
  /** On the present connection. */
  #isSubscribed = false;
  #monitor: ReceiverMonitor | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(parts: ReceiverParts) {
    const { settings, deps, key } = parts;
    this.#parts = parts;
    this.#policyLogs = parts.policy.logs.size;
    this.#scheduler = deps.scheduler ?? systemScheduler();
    this.#logger = deps.logger;
    this.#metrics = deps.metrics ?? new MemoryMetrics();
    this.#connection = createMqttConnection({
      settings: settings.mqtt,
      clientId: clientIdOf(key.vkey.name, parts.leases?.holder),
      scheduler: this.#scheduler,
      logger: this.#logger,
      metrics: this.#metrics,
    });
    this.#status = new StatusFile({
      directory: settings.data_dir,
      scheduler: this.#scheduler,
      logger: this.#logger,
      intervalMs: settings.status_interval_s * 1_000,
      snapshot: () => this.#snapshot(),
    });
  }

  static async open(parts: ReceiverParts): Promise<Receiver> {
    const witnesses = askedWitnesses(parts.settings.independent_witnesses, parts.key.vkey);
    const receiver = new Receiver(parts);
    const { settings, crypto, leases } = parts;
    const { partitions, limits } = settings;
    const isListed = (gateway: string): boolean =>
      partitions === 'all' || partitions.includes(partitionOf(crypto, gateway));
    receiver.#intake = await Intake.open({
      ...parts,
      link: receiver.#connection,
      scheduler: receiver.#scheduler,
      logger: receiver.#logger,
      metrics: receiver.#metrics,
      prefix: settings.prefix,
      trustFirstUse: settings.trust_first_use,
      receipts: settings.witness.role !== 'off',
      acceptedGaps: new Map(settings.accepted_gaps.map(({ log, below }) => [log, below])),
      limits: {
        gatewayBytesMax: limits.parked_gateway_mib * MIB,
        totalBytesMax: limits.parked_mib * MIB,
        unknownOriginsMax: limits.unknown_origins,
        strangersMax: limits.unknown_gateways,
        carriedMax: limits.carried,
      },
      isMine: leases === undefined ? isListed : (gateway) => leases.holds(gateway),
      fenced: (gateway) => receiver.#replica?.fenced(gateway),
    });
    if (leases !== undefined) receiver.#replica = receiver.#replicaOf(leases);
    await receiver.#replica?.start();
    receiver.#monitor = receiver.#monitorOf();
    receiver.#levels = receiver.#levelsOf(witnesses);
    receiver.#levels?.start();
    return receiver;
  }

  #monitorOf(): ReceiverMonitor {
    const { database, deps } = this.#parts;
    return new ReceiverMonitor({
      intake: this.#intake,
      isConnected: () => this.#connection.connected,
      isSubscribed: () => this.#isSubscribed,
      askDatabase: database && (() => database.as('custody', (trx) => sql`select 1`.execute(trx))),
      metrics: this.#metrics,
      scheduler: this.#scheduler,
      logger: this.#logger,
      version: deps.version ?? 'unknown',
      more: deps.more,
    });
  }

  #levelsOf(witnesses: LevelsParts['witnesses']): Levels | undefined {
    const { database, store, crypto, settings, leases } = this.#parts;
    if (database === undefined) return undefined;
    const { tenant, region } = settings;
    return new Levels({
      database,
      store,
      crypto,
      tenant,
      region,
      policy: () => this.#intake.policy,
      ...(leases && { leases }),
      witnesses,
      alarms: this.#intake.alarms,
      scheduler: this.#scheduler,
      logger: this.#logger,
      metrics: this.#metrics,
    });
  }

  #replicaOf(leases: PartitionLeases): Replica {
    return new Replica({
      leases,
      intake: this.#intake,
      scheduler: this.#scheduler,
      logger: this.#logger,
      metrics: this.#metrics,
      subscribe: async (partitions) => {
        if (this.#connection.connected) await this.#subscribeTo(partitions);
      },
      unsubscribe: async (partitions) => {
        const filters = this.#filtersOf(partitions);
        await this.#connection.unsubscribe(filters).catch(() => undefined);
      },
    });
  }

  /** What monitoring asks. */
  get monitor(): ReceiverMonitor {
    return present(this.#monitor, 'an open receiver');
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, settings, key } = this.#parts;
    const unsubscribe = (deps.onReload ?? onHangup)(() => this.#reload());
    this.#status.start();
    await this.monitor.start(settings.metrics);
    await importFolder(this.#intake, join(settings.data_dir, 'import'), this.#logger);
    this.#connection.start({
      connected: () => void this.#connected(),
      lost: () => {
        this.#isSubscribed = false;
        this.#intake.lost();
      },
      message: (topic, payload) => this.#intake.message(topic, payload),
    });
    this.#state = 'running';
    const { role } = settings.witness;
    this.#logger.info({ vkey: formatVkey(key.vkey), role, states: STATEMENTS[role] }, 'the receiver runs');
    await fired(signal);
    unsubscribe();
    await this.#stop();
  }

  async #connected(): Promise<void> {
    await this.#replica?.connected();
    if (!(await this.#subscribeToAll())) return;
    this.#isSubscribed = this.#connection.connected;
    this.#intake.connected();
    if (!this.#isReady) this.#parts.deps.onReady?.();
    this.#isReady = true;
  }

  #subscribeToAll(): Promise<boolean> {
    const { partitions } = this.#parts.settings;
    return this.#subscribeTo(this.#replica?.partitions ?? (partitions === 'all' ? ['+'] : partitions));
  }

  #filtersOf(partitions: readonly string[]): string[] {
    const { prefix } = this.#parts.settings;
    return partitions.flatMap((each) => NAMES.map((name) => fleetFilter(prefix, each, name)));
  }

  /** False when the broker refused, or the connection ended. */
  async #subscribeTo(partitions: readonly string[]): Promise<boolean> {
    const filters = this.#filtersOf(partitions);
    try {
      for (let at = 0; at < filters.length; at += FILTERS_AT_ONCE) {
        await this.#connection.subscribe(filters.slice(at, at + FILTERS_AT_ONCE));
      }
      return true;
    } catch (error) {
      this.#logger.warn({ error: explain(error) }, 'cannot subscribe');
      this.#connection.drop('cannot subscribe');
      return false;
    }
  }

  #reload(): void {
    this.#reloading = this.#reloading.then(async () => {
      const { crypto, settings } = this.#parts;
      try {
        const policy = await policyOf(settings, crypto);
        this.#policyLogs = policy.logs.size;
        this.#policyError = undefined;
        this.#intake.setPolicy(policy);
        this.#logger.info({ logs: policy.logs.size }, 'read the trust policy again');
      } catch (error) {
        this.#policyError = explain(error);
        this.#logger.error({ error: explain(error) }, 'the trust policy was not changed');
      }
      await importFolder(this.#intake, join(settings.data_dir, 'import'), this.#logger);
      // Statements of gateways that were unknown until now are retained by the broker.
      if (this.#connection.connected) await this.#subscribeToAll();
      await this.#status.write();
    });
  }

  async #stop(): Promise<void> {
    const limitMs = this.#parts.settings.stop_wait_s * 1_000;
    this.#state = 'stopping';
    this.#logger.info({}, 'stopping: what was taken is being stored and receipted');
    await this.#reloading;
    const done = async (): Promise<void> => {
      await this.#intake.close();
      while (this.#connection.connected && !this.#intake.isPublished) {
        await new Promise<void>((resolve) => this.#scheduler.after(PUBLISH_POLL_MS, resolve));
      }
    };
    await withTimeout(this.#scheduler, Math.max(1, limitMs), 'storing and receipting', done()).catch(
      (error: unknown) => {
        if (!(error instanceof LatchkeyError)) throw error;
        this.#logger.warn({ error: explain(error) }, 'stopped before everything was receipted; it comes again');
      },
    );
    await this.#connection.close();
    await this.#levels?.stop();
    await this.#replica?.stop();
    await this.#monitor?.stop();
    this.#state = 'stopped';
    await this.#status.stop();
    this.#logger.info({}, 'stopped');
  }

  #snapshot(): object {
    const { settings, key } = this.#parts;
    const { role } = settings.witness;
    return {
      state: this.#state,
      pid: process.pid,
      connected: this.#connection.connected,
      witness: { vkey: formatVkey(key.vkey), role, states: STATEMENTS[role] },
      trust_first_use: settings.trust_first_use,
      policy: { logs: this.#policyLogs, ...(this.#policyError === undefined ? {} : { error: this.#policyError }) },
      partitions: this.#replica?.partitions ?? settings.partitions,
      independent_witnesses: this.#levels?.status ?? [],
      ...intakeStatus(this.#intake),
      ...this.#parts.deps.status?.(),
      metrics: this.#metrics.snapshot(),
    };
  }
}

function onHangup(listener: () => void): () => void {
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Receivers that share a database and a witness are clients of their own: `holder` ends with what no other start has. */
function clientIdOf(witness: string, holder: string | undefined): string {
  if (holder === undefined) return `receive-${witness.replace(/[^A-Za-z0-9_.-]/g, '_')}`.slice(0, 64);
  return `receive-${holder.replace('/', '-').slice(-40)}`;
}
