/**
 * What monitoring reads of a consumer, and whether it does its work: the store takes writes, the database answers, the
 * subscriptions stand, and what was received gets stored and receipted. A fleet that is quiet is no fault; bytes that wait
 * while nothing moves are one.
 */
import { withTimeout } from '../../base/abort.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MemoryMetrics, MetricSample } from '../../base/metrics.ts';
import type { HttpServer } from '../../platform/http/server.ts';
import { EXPOSITION_TYPE, exposition } from '../../platform/metrics/exposition.ts';
import { Movement } from '../../platform/metrics/movement.ts';
import { ProcessSamples } from '../../platform/metrics/process-samples.ts';
import { type NotReady, type Readiness, readinessOf } from '../../platform/metrics/readiness.ts';
import { countByWord, plainSamples, totalOf } from '../../platform/metrics/samples.ts';
import { readySamples, startMonitoring } from '../../platform/metrics/server.ts';
import type { MetricsSettings } from '../../platform/metrics/settings.ts';
import type { Intake } from '../intake/intake.ts';
import { type IntakeFigures, type IntakeStatus, intakeStatus } from '../intake/status.ts';
import { CONSUMER_METRICS } from './metrics-table.ts';

const LOOK_EVERY_MS = 1_000;
/** A group is stored within some milliseconds, and in some seconds by a database under load. */
const STUCK_LIMIT_MS = 30_000;
const CHECK_LIMIT_MS = 2_000;

export interface ReceiverMonitorParts {
  readonly intake: IntakeFigures & Pick<Intake, 'isPublished'>;
  readonly isConnected: () => boolean;
  readonly isSubscribed: () => boolean;
  /** Asks the database; rejects when it does not answer. Absent for files. */
  readonly askDatabase?: (() => Promise<unknown>) | undefined;
  readonly metrics: MemoryMetrics;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly version: string;
  /** Of the process that the receiver is a part of. */
  readonly more?:
    | (() => { readonly samples: readonly MetricSample[]; readonly reasons: readonly NotReady[] })
    | undefined;
}

export class ReceiverMonitor {
  readonly #parts: ReceiverMonitorParts;
  readonly #own: ProcessSamples;
  readonly #storing = new Movement();
  readonly #publishing = new Movement();
  #timer: Timer | undefined;
  #server: HttpServer | undefined;

  constructor(parts: ReceiverMonitorParts) {
    this.#parts = parts;
    this.#own = new ProcessSamples(parts.scheduler, parts.version);
  }

  /** Listens where settings ask for it. */
  async start(settings: MetricsSettings | undefined): Promise<void> {
    const { scheduler: clock, logger } = this.#parts;
    this.#own.start();
    this.#lookOn();
    if (settings === undefined) return;
    this.#server = await startMonitoring({
      settings,
      table: CONSUMER_METRICS,
      samples: () => this.#samples(),
      loopDelayMaxMs: () => this.#own.loopDelayMaxMs,
      readiness: () => this.readiness(),
      clock,
      logger,
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#own.stop();
    await this.#server?.close();
  }

  look(): void {
    const { intake, metrics, scheduler } = this.#parts;
    const nowMs = scheduler.monotonicMs();
    const samples = metrics.snapshot();
    this.#storing.update(intake.waitingBytes > 0, totalOf(samples, ['intake_store_groups', 'intake_batches']), nowMs);
    this.#publishing.update(!intake.isPublished, totalOf(samples, ['intake_published']), nowMs);
  }

  /** Bounded in time. */
  async readiness(): Promise<Readiness> {
    const database = await this.#databaseReasons();
    this.look();
    const { more } = this.#parts;
    return readinessOf([...database, ...this.#intakeReasons(), ...this.#brokerReasons(), ...(more?.().reasons ?? [])]);
  }

  /** Text exposition format 0.0.4, as `/metrics` answers; `type` says which. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    const { ready, reasons } = await this.readiness();
    const samples = [...readySamples(ready, reasons), ...this.#samples()];
    return { type: EXPOSITION_TYPE, text: exposition(CONSUMER_METRICS, samples) };
  }

  #samples(): readonly MetricSample[] {
    const { intake, metrics, isSubscribed, more } = this.#parts;
    return [
      ...plainSamples({ intake_subscribed: isSubscribed() ? 1 : 0 }),
      ...intakeSamples(intakeStatus(intake)),
      ...(more?.().samples ?? []),
      ...metrics.snapshot(),
      ...this.#own.take(),
    ];
  }

  #lookOn(): void {
    this.look();
    this.#timer = this.#parts.scheduler.after(LOOK_EVERY_MS, () => this.#lookOn());
  }

  async #databaseReasons(): Promise<readonly NotReady[]> {
    const { askDatabase, scheduler, logger } = this.#parts;
    if (askDatabase === undefined) return [];
    const asked = askDatabase();
    asked.catch(() => undefined);
    try {
      await withTimeout(scheduler, CHECK_LIMIT_MS, 'an answer of the database', asked);
      return [];
    } catch (error) {
      logger.warn({ error: explain(error) }, 'the database does not answer');
      return [
        {
          reason: 'database_away',
          detail: `the database did not answer within ${CHECK_LIMIT_MS} ms, or refused`,
          remedy: 'look at the database and its network; the log says what it answered',
        },
      ];
    }
  }

  #intakeReasons(): readonly NotReady[] {
    const { intake, scheduler } = this.#parts;
    const nowMs = scheduler.monotonicMs();
    const found: NotReady[] = [];
    if (intake.storeFailure !== undefined) {
      found.push({
        reason: 'store_down',
        detail: `the store cannot write (${codeOf(intake.storeFailure)}); nothing is receipted`,
        remedy: 'look at the disk or the database of the store; it is tried again by itself',
      });
    }
    if (this.#storing.stuckMs(nowMs) > STUCK_LIMIT_MS) {
      found.push({
        reason: 'intake_stalled',
        detail: `${intake.waitingBytes} bytes wait to be stored, and nothing was for ${STUCK_LIMIT_MS / 1_000} s`,
        remedy: 'look at locks and load of the database, or at the disk',
      });
    }
    if (this.#parts.isConnected() && this.#publishing.stuckMs(nowMs) > STUCK_LIMIT_MS) {
      found.push({
        reason: 'receipts_stalled',
        detail: `receipts wait for the broker, which took none for ${STUCK_LIMIT_MS / 1_000} s`,
        remedy: 'look at the broker: its load, its limits, and the rules of this user',
      });
    }
    return found;
  }

  #brokerReasons(): readonly NotReady[] {
    const { isConnected, isSubscribed } = this.#parts;
    if (!isConnected()) {
      return [
        {
          reason: 'broker_away',
          detail: 'the broker is not connected; gateways keep what they have',
          remedy: 'look at the network, the broker and its login; it is tried again by itself',
        },
      ];
    }
    if (isSubscribed()) return [];
    return [
      {
        reason: 'not_subscribed',
        detail: 'the broker is connected, and no subscription stands yet',
        remedy: 'if it lasts, look at the rules of this user at the broker',
      },
    ];
  }
}

const RECEIPTS = ['ok', 'behind', 'contradicted'] as const;

export function intakeSamples({ store, gateways, waiting_bytes }: IntakeStatus): readonly MetricSample[] {
  const logs = gateways.flatMap((gateway) => gateway.logs);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return [
    ...plainSamples({
      intake_store_up: store.state === 'ok' ? 1 : 0,
      intake_waiting_bytes: waiting_bytes,
      intake_parked_bytes: sum(gateways.map((gateway) => gateway.parked_bytes)),
      intake_gateways: gateways.length,
      intake_behind_entries: sum(logs.map(({ announced, size }) => (announced === undefined ? 0 : announced - size))),
      intake_unreceipted_entries: sum(logs.map(({ size, receipted }) => Math.max(0, size - receipted))),
      intake_gaps: sum(logs.map((log) => log.gaps.filter(([, to]) => to > log.gap_accepted_below).length)),
      intake_forks: sum(logs.map(({ forks }) => forks)),
    }),
    ...countByWord(
      'intake_logs',
      'receipts',
      RECEIPTS,
      logs.map(({ receipts }) => receipts),
    ),
  ];
}

function codeOf(error: Error): string {
  return error instanceof LatchkeyError ? error.code : 'INTERNAL';
}
