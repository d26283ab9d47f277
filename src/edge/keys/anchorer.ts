/**
 * Anchors checkpoints: the six steps, safe against a cut after any of them, at the pace and within the wear budget.
 *
 * A TPM that is slow or away delays anchors and nothing else; the gap shows in the status and in the log's `tail`.
 */
import { withTimeout } from '../../base/abort.ts';
import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { anchorExtraData, anchorLine } from '../../evidence/anchor/anchor.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatCheckpoint } from '../../evidence/log/checkpoint.ts';
import type { AnchorCandidate, AnchorIntent, AnchorStore } from '../contracts/anchor-store.ts';
import type { AnchorTpm } from '../contracts/anchor-tpm.ts';
import { type AnchorPace, anchorDue } from './anchor-schedule.ts';
import { counterStep } from './counter-step.ts';
import { fullBucket, keptBucket, spend, tokensAt, type WearState } from './wear-budget.ts';

const RETRY = { firstMs: 1_000, maxMs: 60_000 } as const;

export interface AnchorerParts {
  readonly store: AnchorStore;
  readonly tpm: AnchorTpm;
  readonly pace: AnchorPace;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface AnchoringStatus {
  /** `away`: the TPM did not answer as it should; anchors wait. */
  readonly state: 'idle' | 'waiting' | 'working' | 'away' | 'stopped';
  readonly counter?: number;
  readonly lastSize?: number;
  /** Milliseconds since the last anchor of this run. */
  readonly lastAgoMs?: number;
  readonly dueInMs?: number;
  /** `wear`: the bucket is empty, anchors wait for it. */
  readonly because?: 'pace' | 'wear';
  readonly awayForMs?: number;
  readonly reason?: string;
  /** Increments that the budget allows at once. */
  readonly tokens: number;
}

export class Anchorer {
  readonly #parts: AnchorerParts;
  readonly #startMs: number;
  readonly #backoff = new Backoff(RETRY);
  readonly #abort = new AbortController();
  #wear: WearState;
  #edge: 'start' | 'stop' | undefined;
  #last: { readonly atMs: number; readonly size: number } | undefined;
  #due: { readonly atMs: number; readonly because: 'pace' | 'wear' } | undefined;
  #away: { readonly sinceMs: number; readonly reason: string } | undefined;
  /** The counter was compared with the disk since the last error. */
  #isChecked = false;
  #isAsked = false;
  #working: Promise<void> | undefined;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(parts: AnchorerParts) {
    this.#parts = parts;
    const { scheduler, store, pace } = parts;
    this.#startMs = scheduler.monotonicMs();
    const tokens = store.tokens();
    this.#wear =
      tokens === undefined ? fullBucket(pace.wear, this.#startMs) : keptBucket(pace.wear, tokens, this.#startMs);
  }

  /** Call it when `gateway.started` is durable. Finishes an open intent first. */
  start(): void {
    assert(this.#unsubscribe === undefined, 'an anchorer is started once');
    this.#edge = 'start';
    this.#unsubscribe = this.#parts.store.onChange(() => this.#ask());
    this.#ask();
  }

  /** Anchors what is there, for `limitMs` at most, and stops. Call it when `gateway.stopped` is durable. */
  async stop(limitMs: number): Promise<void> {
    const { scheduler, logger } = this.#parts;
    if (this.#unsubscribe !== undefined && !this.#abort.signal.aborted) {
      this.#edge = 'stop';
      this.#ask();
      const done = this.#working ?? Promise.resolve();
      await withTimeout(scheduler, limitMs, 'the last anchor', done).catch((error: unknown) => {
        logger.warn({ reason: messageOf(error) }, 'stopped without anchoring the last checkpoint');
      });
    }
    this.#abort.abort(new LatchkeyError('TIMED_OUT', 'the gateway stops'));
    this.#unsubscribe?.();
    this.#timer?.cancel();
    await this.#working;
  }

  status(): AnchoringStatus {
    const { scheduler, store, pace } = this.#parts;
    const nowMs = scheduler.monotonicMs();
    const counter = store.lastCounter();
    return {
      state: this.#state(),
      ...(counter !== undefined && { counter }),
      ...(this.#last && { lastSize: this.#last.size, lastAgoMs: Math.round(nowMs - this.#last.atMs) }),
      ...(this.#due && { dueInMs: Math.max(0, Math.round(this.#due.atMs - nowMs)), because: this.#due.because }),
      ...(this.#away && { awayForMs: Math.round(nowMs - this.#away.sinceMs), reason: this.#away.reason }),
      tokens: Math.floor(tokensAt(pace.wear, this.#wear, nowMs)),
    };
  }

  #state(): AnchoringStatus['state'] {
    if (this.#abort.signal.aborted) return 'stopped';
    if (this.#away !== undefined) return 'away';
    if (this.#working !== undefined) return 'working';
    return this.#due === undefined ? 'idle' : 'waiting';
  }

  #ask(): void {
    this.#isAsked = true;
    // While the TPM is away the back-off asks; a stop asks at once.
    if (this.#away === undefined || this.#edge === 'stop') this.#begin();
  }

  #begin(): void {
    if (this.#working !== undefined || this.#abort.signal.aborted) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      if (this.#isAsked && this.#away === undefined) this.#begin();
    });
  }

  async #work(): Promise<void> {
    try {
      while (this.#isAsked && !this.#abort.signal.aborted) {
        this.#isAsked = false;
        await this.#turn();
      }
      this.#back();
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#isChecked = false;
      if (!this.#abort.signal.aborted) this.#retry(error);
    }
  }

  async #turn(): Promise<void> {
    this.#timer?.cancel();
    this.#due = undefined;
    await this.#settleCounter();
    const { scheduler, store, pace } = this.#parts;
    const candidate = store.candidate();
    const nowMs = scheduler.monotonicMs();
    const due = anchorDue(pace, {
      unanchored: candidate?.unanchored,
      edge: this.#edge,
      lastMs: this.#last?.atMs,
      startMs: this.#startMs,
      wear: this.#wear,
      nowMs,
    });
    if (due.kind === 'now' && candidate !== undefined) return this.#anchor(candidate);
    if (due.kind !== 'in') return;
    this.#due = { atMs: nowMs + due.ms, because: due.because };
    if (due.because === 'wear') this.#parts.metrics.count('anchors_wait_for_budget');
    if (this.#edge !== 'stop') this.#timer = scheduler.after(due.ms, () => this.#ask());
  }

  /** At a start and after an error: finishes what was cut off, or finds that somebody else moved the counter. */
  async #settleCounter(): Promise<void> {
    const { store, tpm } = this.#parts;
    const intent = store.intent();
    if (this.#isChecked && intent === undefined) return;
    const found = await tpm.readCounter(this.#abort.signal);
    const step = counterStep(intent, store.lastCounter(), found);
    if (step.kind === 'breach') await this.#breach(step.expected, step.found);
    else if (intent !== undefined) await this.#complete(intent, step.kind === 'increment');
    this.#isChecked = true;
  }

  async #anchor(candidate: AnchorCandidate): Promise<void> {
    const { store, tpm, pace, scheduler } = this.#parts;
    const { origin, size, root } = candidate;
    const before = store.lastCounter() ?? (await tpm.readCounter(this.#abort.signal));
    this.#wear = spend(pace.wear, this.#wear, scheduler.monotonicMs());
    const intent: AnchorIntent = { origin, size, root, counter: before + 1 };
    await store.saveIntent(intent, this.#wear.tokens);
    this.#isChecked = false;
    await this.#complete(intent, true);
    this.#isChecked = true;
    this.#edge = undefined;
    this.#isAsked = true;
  }

  async #complete(intent: AnchorIntent, increment: boolean): Promise<void> {
    const { store, tpm, crypto, scheduler, metrics, logger } = this.#parts;
    const { signal } = this.#abort;
    const extraData = anchorExtraData(crypto, formatCheckpoint(intent));
    const certified = increment ? tpm.advanceCounter(extraData, signal) : tpm.certifyCounter(extraData, signal);
    const { value, attest, signature } = await certified;
    if (value !== intent.counter) return this.#breach(intent.counter, value);
    await store.finish(intent, anchorLine(crypto, intent.origin, tpm.akSpki, { attest, signature }));
    this.#last = { atMs: scheduler.monotonicMs(), size: intent.size };
    metrics.count('anchors_made');
    logger.debug({ size: intent.size, counter: value }, 'anchored a checkpoint');
  }

  async #breach(expected: number, found: number): Promise<void> {
    const { store, logger, metrics } = this.#parts;
    metrics.count('anchor_counter_breaches');
    logger.error({ expected, found }, 'the anchor counter is not where this disk left it: a new log opens and says so');
    await store.breach(expected, found);
  }

  #retry(error: LatchkeyError): void {
    const { scheduler, logger, metrics } = this.#parts;
    metrics.count('anchors_failed');
    if (this.#away === undefined) {
      logger.warn({ reason: error.message, code: error.code }, 'anchors wait: the TPM or the disk does not answer');
    }
    this.#away = { sinceMs: this.#away?.sinceMs ?? scheduler.monotonicMs(), reason: error.message };
    this.#timer?.cancel();
    if (this.#edge === 'stop') return;
    this.#timer = scheduler.after(this.#backoff.nextMs(), () => {
      this.#isAsked = true;
      this.#begin();
    });
  }

  #back(): void {
    this.#backoff.reset();
    if (this.#away === undefined) return;
    const forMs = Math.round(this.#parts.scheduler.monotonicMs() - this.#away.sinceMs);
    this.#away = undefined;
    this.#parts.logger.info({ for_ms: forMs }, 'the TPM answers again: anchors go on');
  }
}
