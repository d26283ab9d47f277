/**
 * What the gateway says of itself: that it started (and how the last run ended), that it is alive, that it stopped.
 *
 * Whoever reads the log later tells "nothing happened" from "nobody looked" by these entries alone.
 */

import { base64url } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import type { AppendAnswer, Appender } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';

/** How the run before ended, as the journal found it. Undefined at the first start, and when nothing of it is left. */
export interface PreviousRun {
  /** It ended with `gateway.stopped`. */
  readonly clean: boolean;
  /** The log in which `boot` counts. */
  readonly origin: string;
  readonly boot: number;
  /** Of its last entry. */
  readonly upMs: number;
}

export interface StartFacts {
  /** base64url of 16 random bytes drawn at this start: commands name it. */
  readonly start: string;
  /** The kernel's boot id, when it can be read. */
  readonly kernelBoot: string | undefined;
  readonly version: string;
  readonly ports: number;
  readonly devices: number;
  readonly compartments: number;
  /** How long a door can go unseen while every board answers; undefined without polled boards. */
  readonly unseenMaxMs?: number | undefined;
  /** Nothing of an earlier run was here; otherwise a run whose end is not known did not end cleanly. */
  readonly isFirstStart: boolean;
  /** For which grants are sealed: X25519, 32 bytes. */
  readonly accessKey?: Uint8Array | undefined;
  /** Of a gateway with a TPM that answered. */
  readonly tpm?: { readonly resets: number; readonly restarts: number } | undefined;
}

export interface LifeParts {
  readonly appender: Appender;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly aliveIntervalMs: number;
  /** Members of `gateway.alive` beside its interval. */
  readonly aliveFacts: () => JsonObject;
}

/** `origin` is the open log, whose entry this is. */
export function startedData(
  facts: StartFacts,
  previous: PreviousRun | undefined,
  nowUpMs: number,
  origin: string,
): JsonObject {
  return {
    start: facts.start,
    clean: previous?.clean ?? facts.isFirstStart,
    ...(facts.kernelBoot === undefined ? {} : { kernel_boot: facts.kernelBoot }),
    version: facts.version,
    node: process.versions.node,
    ports: facts.ports,
    devices: facts.devices,
    compartments: facts.compartments,
    ...(facts.unseenMaxMs === undefined ? {} : { unseen_max_ms: facts.unseenMaxMs }),
    ...(facts.accessKey === undefined ? {} : { access_key: base64url(facts.accessKey) }),
    ...(facts.tpm === undefined ? {} : { tpm_resets: facts.tpm.resets, tpm_restarts: facts.tpm.restarts }),
    ...(previous === undefined ? {} : { blind: blindSince(previous, nowUpMs, origin) }),
  };
}

/** Between the last entry of one run and the first of the next nobody looked: also after a clean stop. */
function blindSince(previous: PreviousRun, nowUpMs: number, origin: string): JsonObject {
  return {
    cause: previous.clean ? 'stopped' : 'crashed',
    // A start of another log has no number in this one.
    ...(previous.origin === origin && { from_boot: previous.boot, from_up_ms: previous.upMs }),
    to_up_ms: nowUpMs,
  };
}

export class Life {
  readonly #parts: LifeParts;
  #timer: Timer | undefined;

  constructor(parts: LifeParts) {
    this.#parts = parts;
  }

  /** `origin` is the open log. */
  started(facts: StartFacts, previous: PreviousRun | undefined, origin: string): AppendAnswer {
    const observed = this.#parts.observer.observe();
    const data = startedData(facts, previous, observed.upMs, origin);
    const answer = this.#parts.appender.append({ observed, body: { type: 'gateway.started', data }, urgent: true });
    this.#arm();
    return answer;
  }

  stopped(reason: 'signal' | 'command' | 'update' | 'failure'): AppendAnswer {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#parts.appender.append({
      observed: this.#parts.observer.observe(),
      body: { type: 'gateway.stopped', data: { reason } },
      urgent: true,
    });
  }

  #arm(): void {
    this.#timer = this.#parts.scheduler.after(this.#parts.aliveIntervalMs, () => {
      this.#alive();
      this.#arm();
    });
  }

  #alive(): void {
    const data = { ...this.#parts.aliveFacts(), interval_ms: this.#parts.aliveIntervalMs };
    this.#parts.appender.append({ observed: this.#parts.observer.observe(), body: { type: 'gateway.alive', data } });
  }
}
