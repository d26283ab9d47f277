/**
 * A port that keeps itself open: performs what `supervision.ts` decides, and owns the timers, the link and its look-out.
 *
 * Two things tell that a device is gone: the link says so, and, since drivers do not always (serialport/node-serialport
 * #2043, #2351), a look at the path once a second. While the port is lost the path is looked at four times a second and
 * an attempt follows as soon as a device is there that was not there before. Looking beats watching the directory here:
 * `/dev/serial/by-id` itself vanishes with its last adapter, and devpts reports no changes.
 */
import { withTimeout } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Port, PortListener, PortState, PortTrouble } from '../contracts/port.ts';
import type { Link, LinkEvents, LinkOpener } from './link.ts';
import {
  INITIAL_SUPERVISION,
  type Supervision,
  type SupervisionInput,
  type SupervisionOutput,
  supervise,
} from './supervision.ts';

const BACKOFF_FIRST_MS = 250;
const LOOK_WHILE_LOST_MS = 250;
const LOOK_WHILE_OPEN_MS = 1_000;
/** A port that stayed open so long begins its next back-off anew; one that opens and drops at once does not. */
const SETTLED_MS = 5_000;
const OPEN_LIMIT_MS = 20_000;
const WRITE_LIMIT_MS = 2_000;
const RELEASE_LIMIT_MS = 3_000;

export interface SupervisedPortOptions {
  readonly name: string;
  readonly opener: LinkOpener;
  readonly backoffMaxMs: number;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random?: () => number;
}

export class SupervisedPort implements Port {
  readonly name: string;
  readonly #options: SupervisedPortOptions;
  readonly #backoff: Backoff;
  #machine: Supervision = INITIAL_SUPERVISION;
  #listener: PortListener | undefined;
  #link: Link | undefined;
  #attempt: AbortController | undefined;
  #retry: Timer | undefined;
  #look: Timer | undefined;
  #settled: Timer | undefined;
  /** What was there when the last attempt began. */
  #seen: string | undefined;
  /** Counts attempts and releases, so that what an older link or look still says is not heard. */
  #round = 0;
  #failure = '';
  #whenClosed: (() => void)[] = [];

  constructor(options: SupervisedPortOptions) {
    this.name = options.name;
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: BACKOFF_FIRST_MS, maxMs: options.backoffMaxMs }, options.random);
  }

  get state(): PortState {
    return this.#machine.reported;
  }

  start(listener: PortListener): void {
    this.#listener = listener;
    this.#step({ kind: 'start' });
  }

  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const link = this.#link;
    if (this.#machine.phase !== 'open' || link === undefined) {
      throw new LatchkeyError('PORT_UNAVAILABLE', `port ${this.name} is not open`);
    }
    const round = this.#round;
    try {
      await withTimeout(this.#options.scheduler, WRITE_LIMIT_MS, `writing to port ${this.name}`, link.write(bytes));
    } catch (error) {
      if (round === this.#round) this.#step({ kind: 'lost', reason: messageOf(error) });
      throw new LatchkeyError('PORT_UNAVAILABLE', `port ${this.name}: ${messageOf(error)}`, { cause: error });
    }
  }

  reopen(reason: string): void {
    this.#step({ kind: 'lost', reason });
  }

  close(): Promise<void> {
    if (this.#machine.phase === 'closed') return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenClosed.push(resolve);
      this.#step({ kind: 'close' });
    });
  }

  #step(input: SupervisionInput): void {
    const { state, outputs } = supervise(this.#machine, input);
    this.#machine = state;
    for (const output of outputs) this.#perform(output);
  }

  #perform(output: SupervisionOutput): void {
    if (output.kind === 'open') this.#open();
    else if (output.kind === 'abort_open') this.#attempt?.abort(new Error(`port ${this.name} is being closed`));
    else if (output.kind === 'release') this.#release();
    else if (output.kind === 'wait') this.#wait();
    else if (output.kind === 'stop_waiting') this.#stopTimers();
    else this.#report(output.state, output.reason, output.trouble);
  }

  #open(): void {
    this.#round += 1;
    const round = this.#round;
    this.#attempt = new AbortController();
    this.#connect(round, this.#attempt.signal).then(
      (link) => {
        this.#link = link;
        this.#failure = '';
        this.#step({ kind: 'opened' });
        if (this.#machine.phase !== 'open') return;
        this.#settled = this.#options.scheduler.after(SETTLED_MS, () => this.#backoff.reset());
        this.#lookAgain(LOOK_WHILE_OPEN_MS);
      },
      (error: unknown) => {
        const trouble = error instanceof LatchkeyError && error.code === 'PORT_BUSY' ? 'PORT_BUSY' : 'PORT_UNAVAILABLE';
        this.#noteFailure(messageOf(error), trouble);
        this.#step({ kind: 'failed', reason: messageOf(error), trouble });
      },
    );
  }

  async #connect(round: number, signal: AbortSignal): Promise<Link> {
    const { opener, scheduler } = this.#options;
    this.#seen = await opener.identity();
    signal.throwIfAborted();
    const opening = opener.open(this.#events(round), signal);
    try {
      return await withTimeout(scheduler, OPEN_LIMIT_MS, `opening ${opener.target}`, opening);
    } catch (error) {
      this.#attempt?.abort(error);
      // An opener that was given up may still succeed: nothing may stay open then.
      opening.then(
        (late) => late.close(),
        () => undefined,
      );
      throw error;
    }
  }

  #events(round: number): LinkEvents {
    return {
      bytes: (chunk) => {
        if (round === this.#round && this.#machine.phase === 'open') this.#listener?.bytes(chunk);
      },
      lost: (reason) => {
        if (round === this.#round) this.#step({ kind: 'lost', reason });
      },
    };
  }

  #release(): void {
    this.#round += 1;
    this.#stopTimers();
    const link = this.#link;
    this.#link = undefined;
    const { scheduler, logger } = this.#options;
    const closing = link === undefined ? Promise.resolve() : link.close();
    withTimeout(scheduler, RELEASE_LIMIT_MS, `closing ${this.#options.opener.target}`, closing)
      .catch((error: unknown) => logger.warn({ port: this.name, error: messageOf(error) }, 'a port does not close'))
      .finally(() => this.#step({ kind: 'released' }));
  }

  #wait(): void {
    this.#retry = this.#options.scheduler.after(this.#backoff.nextMs(), () => this.#step({ kind: 'due' }));
    this.#lookAgain(LOOK_WHILE_LOST_MS);
  }

  #lookAgain(delayMs: number): void {
    const round = this.#round;
    this.#look = this.#options.scheduler.after(delayMs, () => {
      this.#options.opener.identity().then((now) => this.#looked(round, delayMs, now));
    });
  }

  #looked(round: number, delayMs: number, now: string | undefined): void {
    const { phase } = this.#machine;
    if (round !== this.#round || now === undefined || (phase !== 'open' && phase !== 'waiting')) return;
    const changed = now !== this.#seen;
    if (changed && phase === 'open') {
      this.#step({ kind: 'lost', reason: `${this.#options.opener.target} is gone or another device now` });
      return;
    }
    this.#seen = now;
    if (!changed || now === 'absent') {
      this.#lookAgain(delayMs);
      return;
    }
    this.#backoff.reset();
    this.#step({ kind: 'due' });
  }

  #stopTimers(): void {
    this.#retry?.cancel();
    this.#look?.cancel();
    this.#settled?.cancel();
  }

  #report(state: PortState, reason: string, trouble: PortTrouble | undefined): void {
    const { logger, metrics, opener } = this.#options;
    metrics.gauge('port_open', state === 'open' ? 1 : 0, { port: this.name });
    if (state === 'lost') metrics.count('port_losses', 1, { port: this.name });
    const fields = { port: this.name, target: opener.target, state, reason };
    if (state === 'lost') logger.warn(fields, 'port changed');
    else logger.info(fields, 'port changed');
    this.#listener?.state(state, reason, trouble);
    if (state !== 'closed') return;
    for (const resolve of this.#whenClosed.splice(0)) resolve();
  }

  /** A port may stay away for days: the same failure is logged once. */
  #noteFailure(failure: string, trouble: PortTrouble): void {
    this.#options.metrics.count('port_open_failures', 1, { port: this.name });
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.#options.logger.warn({ port: this.name, failure, trouble }, 'port cannot be opened');
  }
}
