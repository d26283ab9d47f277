/**
 * What the daemon does with its TPM beside opening keys: attests each start, anchors, and says how the TPM fares.
 *
 * All of it waits for the TPM, and nothing waits for it: a start whose TPM is away is attested when it is back. A TPM that
 * was reset under the running daemon shows by the counts in whatever its AK signs, or at a look at its clock: the start is
 * attested anew then, with the reason, so that the log tells of the reset.
 */
import { within } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import { base64, base64url, equalBytes, hex } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { SignedAttest } from '../../evidence/anchor/signed-attest.ts';
import { startStatement, statementDigest } from '../../evidence/anchor/statement.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { AnchorStore } from '../contracts/anchor-store.ts';
import type { AnchorTpm } from '../contracts/anchor-tpm.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import { Anchorer, type AnchoringStatus } from '../keys/anchorer.ts';
import { expectedLifeYears, RATED_INCREMENTS } from '../keys/wear-budget.ts';
import type { GatewayTpm } from './gateway-keys.ts';

/** The start does not wait longer for what it says of the TPM in `gateway.started`. */
const EARLY_LIMIT_MS = 1_000;
const LATE_LIMIT_MS = 60_000;
/** A gateway that anchors seldom must see a reset all the same. */
const LOOK_EVERY_MS = 60_000;
const LOOK_LIMIT_MS = 15_000;
const RETRY = { firstMs: 1_000, maxMs: 60_000 } as const;
/** An anchor at the stop may take this long. */
const STOP_LIMIT_MS = 5_000;
/** What a shorter run says about the pace is chance. */
const PACE_KNOWN_AFTER_MS = 86_400_000;

export interface TpmDutyParts {
  readonly tpm: GatewayTpm;
  readonly journal: {
    readonly appender: Appender;
    readonly anchors: AnchorStore | undefined;
    boot(): number;
    openOrigin(): string | undefined;
  };
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Quote and GetTime over one start of one log. */
export interface AttestedStart {
  readonly digest: Uint8Array;
  readonly quote: SignedAttest;
  readonly time: SignedAttest;
  readonly resets: number;
  readonly restarts: number;
}

interface TpmBoot {
  readonly resets: number;
  readonly restarts: number;
}

export interface TpmStatus {
  readonly target: string;
  /** `local`: log keys are bound to this TPM and to no software. */
  readonly policy: 'local' | 'operator';
  /**
   * AK SubjectPublicKeyInfo in base64 and the counter's Name in hex, as a trust policy takes them; absent until the TPM
   * has answered for the first time in the life of this box.
   */
  readonly ak?: string;
  readonly counterName?: string;
  /** How often it was cleared; absent when never. */
  readonly cleared?: number;
  /** What the enrolment says of it was so before it was cleared. */
  readonly enrolAgain?: boolean;
  /** Why the newest look at it found nobody; absent when it answered. Anchors that are due say `away` by themselves. */
  readonly silent?: string;
  /** This start is attested in the log. */
  readonly attested: boolean;
  readonly anchors: AnchoringStatus & {
    readonly made: number;
    /** Years that the TPM's memory lasts at the most that the settings allow. */
    readonly lifeYearsAtLeast: number;
    /** The same at the pace of this run; absent in its first day. */
    readonly lifeYears?: number;
  };
}

export class TpmDuty {
  readonly #parts: TpmDutyParts;
  readonly #anchorer: Anchorer | undefined;
  readonly #backoff = new Backoff(RETRY);
  readonly #abort = new AbortController();
  readonly #startMs: number;
  readonly #counterBefore: number | undefined;
  #attested: TpmBoot | undefined;
  /** Why the start is attested anew. */
  #reason: string | undefined;
  #timer: Timer | undefined;
  #lookTimer: Timer | undefined;
  #attesting: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #silent: string | undefined;

  constructor(parts: TpmDutyParts) {
    this.#parts = parts;
    const { tpm, journal, scheduler, logger, metrics } = parts;
    const { anchors } = tpm.settings;
    this.#startMs = scheduler.monotonicMs();
    this.#counterBefore = journal.anchors?.lastCounter();
    const pace = {
      parcelGapMs: anchors.parcel_gap_s * 1_000,
      entriesGapMs: anchors.entries_gap_s * 1_000,
      idleGapMs: anchors.idle_gap_s * 1_000,
      wear: { perYear: anchors.increments_per_year, bucketMax: anchors.increments_saved },
    };
    this.#anchorer =
      journal.anchors &&
      new Anchorer({
        store: journal.anchors,
        tpm: this.#attestedFirst(),
        pace,
        crypto: nodeCrypto,
        scheduler,
        logger,
        metrics,
      });
  }

  /** For `gateway.started`; undefined when the TPM does not answer in time. */
  async early(): Promise<AttestedStart | undefined> {
    try {
      const { patience } = this.#parts.tpm;
      const attest = (limitMs: number) => this.#attest(limitMs);
      return await (patience === undefined ? attest(EARLY_LIMIT_MS) : patience.spend(EARLY_LIMIT_MS, attest));
    } catch (error) {
      this.#parts.logger.warn({ reason: explain(error) }, 'the TPM does not answer: this start is attested later');
      return undefined;
    }
  }

  /** Call it when `gateway.started` is durable. */
  start(early: AttestedStart | undefined): void {
    this.#parts.tpm.box.onClock = ({ resetCount, restartCount }) => this.#saw(resetCount, restartCount);
    if (early === undefined || !this.#say(early)) this.#later();
    this.#anchorer?.start();
    this.#lookLater();
  }

  /** Call it when `gateway.stopped` is durable: the last checkpoint is anchored, for a while. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#lookTimer?.cancel();
    this.#abort.abort(new DOMException('the gateway stops', 'AbortError'));
    await Promise.all([this.#attesting, this.#looking]);
    await this.#anchorer?.stop(STOP_LIMIT_MS);
  }

  status(): TpmStatus | undefined {
    const { tpm, scheduler } = this.#parts;
    const anchoring = this.#anchorer?.status();
    if (anchoring === undefined) return undefined;
    const { known } = tpm.box;
    const firstValue = known?.counter.first ?? 0;
    const before = this.#counterBefore ?? firstValue;
    const used = (anchoring.counter ?? before) - firstValue;
    const made = Math.max(0, (anchoring.counter ?? before) - before);
    const { times = 0, enrolAgain = false } = tpm.cleared?.() ?? {};
    const ranMs = scheduler.monotonicMs() - this.#startMs;
    const left = Math.max(0, RATED_INCREMENTS - used);
    const lifeYears = expectedLifeYears(made, ranMs);
    const isPaceKnown = ranMs >= PACE_KNOWN_AFTER_MS && Number.isFinite(lifeYears);
    return {
      target: tpm.target,
      policy: tpm.policy,
      ...(known && { ak: base64(tpm.box.akSpki), counterName: hex(known.counter.name) }),
      ...(times > 0 && { cleared: times }),
      ...(enrolAgain && { enrolAgain }),
      ...(this.#silent !== undefined && { silent: this.#silent }),
      attested: this.#attested !== undefined,
      anchors: {
        ...anchoring,
        made,
        lifeYearsAtLeast: tenths(left / tpm.settings.anchors.increments_per_year),
        ...(isPaceKnown && { lifeYears: tenths(lifeYears) }),
      },
    };
  }

  /**
   * The TPM for anchors. An intent of the run before is finished under the TPM's new boot, and the log must tell of that
   * boot first: so before the counter is looked at, which begins every piece of work, the start is attested, should it not
   * be yet. A TPM that answers and refuses only that is not waited for.
   */
  #attestedFirst(): AnchorTpm {
    const { box } = this.#parts.tpm;
    return {
      get akSpki() {
        return box.akSpki;
      },
      readCounter: async (signal) => {
        if (this.#attested === undefined) await this.#attestNow(signal);
        return box.readCounter(signal);
      },
      advanceCounter: (extraData, signal) => box.advanceCounter(extraData, signal),
      certifyCounter: (extraData, signal) => box.certifyCounter(extraData, signal),
    };
  }

  async #attestNow(signal: AbortSignal): Promise<void> {
    // The last anchor of a stop is better made without than not at all.
    if (this.#abort.signal.aborted) return;
    try {
      const attested = await this.#attest(LATE_LIMIT_MS, signal);
      if (attested !== undefined && this.#attested === undefined && this.#say(attested)) this.#timer?.cancel();
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'TPM_REFUSED') throw error;
    }
  }

  async #attest(limitMs: number, until = this.#abort.signal): Promise<AttestedStart | undefined> {
    const digest = this.#digest();
    if (digest === undefined) return undefined;
    const signal = within(limitMs, until, this.#abort.signal);
    const { box } = this.#parts.tpm;
    const time = await box.time(digest, signal);
    const quote = await box.quote(digest, signal);
    const { resetCount: resets, restartCount: restarts } = time.clock;
    return { digest, quote, time, resets, restarts };
  }

  /** Of the open log and this start in it; undefined between two logs. */
  #digest(): Uint8Array | undefined {
    const { journal } = this.#parts;
    const origin = journal.openOrigin();
    return origin === undefined
      ? undefined
      : statementDigest(nodeCrypto, 'attested', startStatement(origin, journal.boot()));
  }

  /** False when the log has changed meanwhile: there it would be the statement about another. */
  #say(attested: AttestedStart): boolean {
    const { journal, observer } = this.#parts;
    const now = this.#digest();
    if (now === undefined || !equalBytes(now, attested.digest)) return false;
    for (const kind of ['time', 'quote'] as const) {
      const { attest, signature } = attested[kind];
      const data = {
        kind,
        attest: base64url(attest),
        signature: base64url(signature),
        statement: base64url(attested.digest),
        ...(this.#reason !== undefined && { reason: this.#reason }),
      };
      journal.appender.append({ observed: observer.observe(), body: { type: 'key.attested', data }, urgent: true });
    }
    this.#attested = { resets: attested.resets, restarts: attested.restarts };
    this.#reason = undefined;
    return true;
  }

  /** The TPM is in another boot than the one that was attested: the log must tell of it. */
  #saw(resets: number, restarts: number): void {
    this.#silent = undefined;
    const last = this.#attested;
    if (last === undefined || (last.resets === resets && last.restarts === restarts)) return;
    this.#reason = resets < last.resets ? 'tpm_cleared' : resets > last.resets ? 'tpm_reset' : 'tpm_resumed';
    this.#attested = undefined;
    this.#parts.metrics.count('tpm_boots_unasked');
    this.#parts.logger.warn({ resets, restarts, last, reason: this.#reason }, 'the TPM is in another boot than before');
    this.#backoff.reset();
    this.#later(0);
  }

  #lookLater(): void {
    if (this.#abort.signal.aborted) return;
    this.#lookTimer = this.#parts.scheduler.after(LOOK_EVERY_MS, () => {
      this.#looking = this.#look().finally(() => this.#lookLater());
    });
  }

  async #look(): Promise<void> {
    try {
      const signal = within(LOOK_LIMIT_MS, this.#abort.signal);
      const { resetCount, restartCount } = await this.#parts.tpm.box.clock(signal);
      this.#saw(resetCount, restartCount);
    } catch (error) {
      // Whoever needs the TPM says that it is away; while nobody does, this is how people learn it before they need it.
      if (!this.#abort.signal.aborted) this.#silent = explain(error);
      this.#parts.logger.debug({ reason: explain(error) }, 'the clock of the TPM cannot be read now');
    }
  }

  #later(delayMs = this.#backoff.nextMs()): void {
    if (this.#abort.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.scheduler.after(delayMs, () => {
      this.#attesting = this.#tryLate();
    });
  }

  async #tryLate(): Promise<void> {
    try {
      const attested = await this.#attest(LATE_LIMIT_MS);
      if (this.#attested !== undefined) return;
      if (attested !== undefined && !this.#abort.signal.aborted && this.#say(attested)) return;
    } catch (error) {
      this.#parts.logger.debug({ reason: explain(error) }, 'the TPM still does not attest this start');
    }
    this.#later();
  }
}

function tenths(years: number): number {
  return Math.round(years * 10) / 10;
}
