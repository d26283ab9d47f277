/**
 * Opens doors: the machine with its timer and its store.
 *
 * The order is the promise: the intent is durable in the journal (entry and state in one transaction), then custody is
 * told to expect the door, then the one frame leaves, then the door is watched. A start ends what the run before left
 * open and sends nothing for it.
 */
import { within } from '../../base/abort.ts';
import { base64url } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Actor, EventBody } from '../../evidence/event/event.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Doors, DoorsStatus, OpenOutcome, OpenRequest } from '../contracts/doors.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Visit } from '../contracts/visit.ts';
import { cutBody, type DoorPlace, endedBody, intendedBody } from './bodies.ts';
import { recentOpenings, WINDOW_MS } from './limits.ts';
import {
  type DoorNow,
  type DoorsInput,
  type DoorsOutput,
  type DoorsState,
  type Ending,
  type FrameAnswer,
  IDLE,
  type Intent,
  nextDeadlineMs,
  stepDoors,
} from './machine.ts';
import { formatSaved, parseSaved } from './saved.ts';
import type { DoorsSettings } from './settings.ts';
import { readStopFile, writeStopFile } from './stop-file.ts';

/** A journal that is slower takes part in no opening. */
const RECORD_LIMIT_MS = 10_000;
/** Beyond the time in which the door is watched: what is seen later is no episode of this visit. */
const VISIT_SLACK_MS = 5_000;

/** Who comes for parcels, and not to work on the locker. */
const VISITORS: ReadonlySet<Actor['kind']> = new Set(['courier', 'recipient']);

export interface ControlledDoor extends DoorPlace {
  /** Its feedback polarity was commissioned. */
  readonly commissioned: boolean;
}

/** What custody says of a compartment. */
export interface SeenDoor {
  readonly name: string;
  readonly door: 'open' | 'shut' | 'unknown';
  /** Its board cannot read it now: `door` is what was seen last. */
  readonly unread?: true;
  /** What its contact means is contradicted: `door` is unknown. */
  readonly distrusted?: true;
}

export interface DoorsParts {
  readonly settings: DoorsSettings;
  readonly doors: readonly ControlledDoor[];
  readonly appender: Appender;
  /** Kept with the entries that were appended before. */
  readonly store: { load(): string | undefined; save(text: string): void };
  readonly stopPath: string;
  /** One frame, once; rejects for nothing. */
  readonly unlock: (device: string, channel: number, signal: AbortSignal) => Promise<FrameAnswer>;
  readonly seen: () => readonly SeenDoor[];
  /** A maintenance window is open over it. */
  readonly isMaintained: (compartment: string) => boolean;
  readonly expect: (visit: Visit) => void;
  readonly recount: (actor: Actor) => number;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly request: OpenRequest;
  readonly signal: AbortSignal;
  readonly resolve: (outcome: OpenOutcome) => void;
}

export class DoorsRoom implements Doors {
  readonly #parts: DoorsParts;
  readonly #doors: ReadonlyMap<string, ControlledDoor>;
  readonly #waiting = new Map<string, Waiting>();
  /** Boards that do not answer now, or did not yet in this start. */
  readonly #away: Set<string>;
  readonly #ending = new AbortController();
  /** Frames that were given to the line, by intent: one that still waits there can be taken back. */
  readonly #sending = new Map<string, AbortController>();
  /** One write of the stop file after the other. */
  #stopFile: Promise<unknown> = Promise.resolve();
  /** How often `stop_pick` was asked for in this run. */
  #stops = 0;
  #state: DoorsState = IDLE;
  #stoppedBy = '';
  #stopReason = 'asked';
  #timer: Timer | undefined;
  /** Until the last opening counts for no rate any more. */
  #quiet: Timer | undefined;

  constructor(parts: DoorsParts) {
    this.#parts = parts;
    this.#doors = new Map(parts.doors.map((door) => [door.name, door]));
    this.#away = new Set(parts.doors.map(({ device }) => device));
  }

  /** Ends what the run before left; nothing is sent for it. Before any request. */
  start(): void {
    const { store, stopPath, logger, observer } = this.#parts;
    const stop = readStopFile(stopPath);
    if (stop.stopped) {
      this.#stoppedBy = stop.by;
      if (stop.unreadable) this.#stopReason = 'unreadable';
      logger.warn({ by: stop.by, unreadable: stop.unreadable }, 'stop_pick is in force: no door is opened');
    }
    const text = store.load();
    const observed = observer.observe();
    const saved = text === undefined ? undefined : parseSaved(text, observed.upMs);
    if (text !== undefined && saved === undefined) logger.error({}, 'the saved state of openings is unreadable');
    const pending = saved?.pending ?? [];
    for (const { id, compartment, actor } of pending) {
      this.#append(cutBody(id, compartment, actor), observed);
      logger.warn({ id, compartment }, 'an opening was cut short by the end of the run before: not tried again');
    }
    const recent = [...(saved?.recent ?? []), ...pending.map(({ id }) => id)];
    const openings = saved?.openings ?? [];
    this.#state = { ...IDLE, stopped: stop.stopped, recent, openings };
    if (pending.length > 0) this.#save();
    else this.#saveWhenQuiet(observed.upMs);
  }

  /** What is on its way ends as it is: nothing new begins. Before lines stop. */
  stop(): void {
    this.#ending.abort(new LatchkeyError('TIMED_OUT', 'the gateway stops'));
    this.#feed({ kind: 'stop' });
    this.#stopReason = 'stopping';
    this.#timer?.cancel();
    this.#quiet?.cancel();
    for (const { id, phase } of this.#state.intents) {
      if (phase === 'recording') this.#feed({ kind: 'cancelled', id });
    }
    // What was sent is watched no longer.
    this.#feed({ kind: 'tick' }, Number.POSITIVE_INFINITY);
  }

  /** Custody said this, at once. */
  heard(body: EventBody): void {
    const { type, compartment, device, seen } = body;
    if (type === 'door.opened' && compartment !== undefined) {
      this.#feed({ kind: 'opened', compartment, toMs: seen?.to_ms ?? Number.NEGATIVE_INFINITY });
    }
    if (device === undefined) return;
    if (type === 'device.found') this.#away.delete(device);
    if (type === 'device.lost' || type === 'device.faulted') this.#away.add(device);
  }

  open(request: OpenRequest, signal: AbortSignal): Promise<OpenOutcome> {
    const id = base64url(request.id);
    return new Promise((resolve) => {
      if (signal.aborted || this.#ending.signal.aborted) return resolve({ kind: 'refused', reason: 'stopped' });
      // An id that is on its way keeps its caller.
      const isNew = !this.#waiting.has(id);
      if (isNew) this.#waiting.set(id, { request, signal, resolve });
      if (!isNew) return resolve({ kind: 'refused', reason: 'repeated_id' });
      this.#feed({ kind: 'asked', id, request, now: this.#now(request), open: this.#open() });
    });
  }

  async stopPick(actor: Actor): Promise<void> {
    const by = `${actor.kind} ${actor.ref}`;
    this.#stops += 1;
    this.#feed({ kind: 'stop' });
    this.#stoppedBy = by;
    this.#stopReason = 'asked';
    for (const frame of this.#sending.values()) frame.abort(new LatchkeyError('TIMED_OUT', 'stop_pick'));
    this.#parts.logger.warn({ by }, 'stop_pick: no door is opened any more');
    await this.#writeStop(true, by);
  }

  async resume(actor: Actor): Promise<void> {
    const by = `${actor.kind} ${actor.ref}`;
    const stops = this.#stops;
    await this.#writeStop(false, by);
    // Whoever said stop while this was written has the last word.
    if (this.#ending.signal.aborted || stops !== this.#stops) return;
    this.#feed({ kind: 'resume' });
    this.#parts.logger.info({ by }, 'doors may be opened again');
  }

  async recount(actor: Actor): Promise<number> {
    return this.#parts.recount(actor);
  }

  status(): DoorsStatus {
    const { stopped, intents } = this.#state;
    return {
      ...(stopped && { stopped: { by: this.#stoppedBy, reason: this.#stopReason } }),
      opening: intents.map(({ request }) => request.compartment),
      open: this.#open().length,
      openMax: this.#parts.settings.open_max,
    };
  }

  #writeStop(stopped: boolean, by: string): Promise<void> {
    const write = (): Promise<void> => writeStopFile(this.#parts.stopPath, stopped, by);
    const written = this.#stopFile.then(write, write);
    this.#stopFile = written.catch(() => undefined);
    return written;
  }

  #now({ compartment, actor }: OpenRequest): DoorNow {
    const door = this.#doors.get(compartment);
    if (door === undefined) return { kind: 'unusable', reason: 'unknown_compartment' };
    if (!door.commissioned) return { kind: 'unusable', reason: 'not_commissioned' };
    const seen = this.#parts.seen().find(({ name }) => name === compartment);
    // What nobody could see open is not opened.
    const away = this.#away.has(door.device) || seen?.unread === true;
    if (seen?.distrusted !== true) return { kind: 'usable', door: seen?.door ?? 'unknown', away };
    // Whoever mends it must be able to open it; for anybody else the record of it would say nothing, or a lie.
    const works = !VISITORS.has(actor.kind) && this.#parts.isMaintained(compartment);
    return works
      ? { kind: 'usable', door: 'unknown', away, blind: true }
      : { kind: 'unusable', reason: 'polarity_contradicted' };
  }

  #open(): readonly string[] {
    return this.#parts.seen().flatMap(({ name, door }) => (door === 'open' ? [name] : []));
  }

  #feed(input: DoorsInput, nowMs = this.#parts.observer.observe().upMs): void {
    const { state, outputs } = stepDoors(this.#state, input, nowMs, this.#parts.settings);
    this.#state = state;
    for (const output of outputs) this.#perform(output);
    this.#schedule();
  }

  #perform(output: DoorsOutput): void {
    switch (output.kind) {
      case 'refused':
        this.#parts.metrics.count('doors_refused', 1, { reason: output.reason });
        this.#answer(output.id, { kind: 'refused', reason: output.reason });
        break;
      case 'record':
        void this.#record(output.intent);
        break;
      case 'send':
        void this.#send(output.intent);
        break;
      case 'ended':
        this.#ended(output.intent, output.ending);
        break;
    }
  }

  async #record(intent: Intent): Promise<void> {
    const { appender, logger } = this.#parts;
    const place = this.#place(intent);
    const durable = await (async () => {
      if (this.#append(intendedBody(intent, place)) === 'refused') return false;
      this.#save();
      await appender.flush(within(RECORD_LIMIT_MS, this.#ending.signal));
      return true;
    })().catch((error: unknown) => {
      logger.warn({ compartment: place.name, reason: explain(error) }, 'an intent could not be recorded');
      return false;
    });
    if (this.#waiting.get(intent.id)?.signal.aborted === true) this.#feed({ kind: 'cancelled', id: intent.id });
    this.#feed({ kind: 'recorded', id: intent.id, durable, now: this.#now(intent.request), open: this.#open() });
  }

  async #send(intent: Intent): Promise<void> {
    const { settings, expect, observer, logger } = this.#parts;
    const { request, id } = intent;
    const place = this.#place(intent);
    const { upMs } = observer.observe();
    expect({
      compartment: request.compartment,
      actor: request.actor,
      method: request.method ?? request.cause,
      observedUpMs: upMs,
      ...request.about,
      untilUpMs: upMs + settings.seen_within_ms + VISIT_SLACK_MS,
    });
    logger.info({ compartment: place.name, cause: request.cause }, 'unlocking');
    const answer = await this.#frame(intent, place);
    this.#feed({ kind: 'answered', id, answer });
  }

  /** The one frame. While it waits for its line it is taken back by stop_pick, by its time and by the end of its intent. */
  async #frame({ id, request }: Intent, { device, channel }: DoorPlace): Promise<FrameAnswer> {
    const { unlock, observer, scheduler } = this.#parts;
    const taken = new AbortController();
    const callers = this.#waiting.get(id)?.signal;
    const signal = AbortSignal.any([this.#ending.signal, taken.signal, ...(callers === undefined ? [] : [callers])]);
    let isLate = false;
    const leftMs = (request.untilUpMs ?? Number.POSITIVE_INFINITY) - observer.observe().upMs;
    const timer = Number.isFinite(leftMs)
      ? scheduler.after(Math.max(1, Math.ceil(leftMs)), () => {
          isLate = true;
          taken.abort(new LatchkeyError('TIMED_OUT', 'the request ended'));
        })
      : undefined;
    this.#sending.set(id, taken);
    try {
      const answer = await unlock(device, channel, signal);
      return isLate && answer.kind === 'not_sent' ? { ...answer, reason: 'too_late' } : answer;
    } finally {
      timer?.cancel();
      this.#sending.delete(id);
    }
  }

  #ended(intent: Intent, ending: Ending): void {
    const { metrics, logger } = this.#parts;
    const place = this.#place(intent);
    // A line that did not answer in time may hold it still.
    this.#sending.get(intent.id)?.abort(new LatchkeyError('TIMED_OUT', 'the opening ended'));
    this.#append(endedBody(intent, ending, place));
    this.#save();
    metrics.count('doors_openings', 1, { result: ending.result });
    logger.info({ compartment: place.name, ...ending }, 'an opening ended');
    this.#answer(intent.id, outcomeOf(ending));
  }

  /** Goes with the entries that were appended before. What has become too old for any rate is taken out of it later. */
  #save(): void {
    const { upMs } = this.#parts.observer.observe();
    this.#parts.store.save(formatSaved(this.#state, upMs));
    this.#saveWhenQuiet(upMs);
  }

  #saveWhenQuiet(upMs: number): void {
    this.#quiet?.cancel();
    if (this.#ending.signal.aborted || recentOpenings(this.#state.openings, upMs).length === 0) return;
    this.#quiet = this.#parts.scheduler.after(WINDOW_MS, () => this.#save());
  }

  #answer(id: string, outcome: OpenOutcome): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve(outcome);
  }

  #place(intent: Intent): DoorPlace {
    const { compartment } = intent.request;
    return this.#doors.get(compartment) ?? { name: compartment, device: compartment, channel: 1 };
  }

  #append(body: EventBody, observed = this.#parts.observer.observe()): 'queued' | 'refused' {
    return this.#parts.appender.append({ observed, body, urgent: true });
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const atMs = nextDeadlineMs(this.#state);
    if (atMs === undefined || this.#ending.signal.aborted) return;
    const delayMs = Math.max(1, Math.ceil(atMs - this.#parts.observer.observe().upMs));
    this.#timer = this.#parts.scheduler.after(delayMs, () => this.#feed({ kind: 'tick' }));
  }
}

function outcomeOf(ending: Ending): OpenOutcome {
  switch (ending.result) {
    case 'opened':
      return { kind: 'opened', tookMs: ending.tookMs };
    case 'unverified':
      return { kind: 'unverified', reason: ending.reason };
    case 'not_sent':
      return { kind: 'refused', reason: ending.reason };
  }
}
