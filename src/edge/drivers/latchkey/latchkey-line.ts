/**
 * A line of devices that speak the open wire, alone or several on one RS-485 pair: asks them in turn and says what they
 * proved. What is forged, replayed or reflected is refused, counted, and told at once as tampering with the line.
 */

import { same } from '../../../../firmware-protocol/codec/bytes.ts';
import { ADDRESS_ALL, lineOf, openContent } from '../../../../firmware-protocol/codec/frame.ts';
import { whoBody } from '../../../../firmware-protocol/codec/messages.ts';
import type { Refusal } from '../../../../firmware-protocol/codec/session.ts';
import { OPEN_TYPES } from '../../../../firmware-protocol/codec/types.ts';
import { sleep } from '../../../base/abort.ts';
import { hex } from '../../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { SensorClaim } from '../../contracts/reading.ts';
import type { DeviceStatus, Line, LineParts, LineStatus, PairAsk, PairedDevice, UnlockAnswer } from '../line.ts';
import { LinePort } from '../line-port.ts';
import { remedyFor } from '../remedies.ts';
import { Conversation, type Party } from './conversation.ts';
import { LineAttacks } from './line-attacks.ts';
import { lookAround } from './look-around.ts';
import { parsePairingCode, runPairing } from './pair.ts';
import { type PairJob, PairQueue } from './pair-queue.ts';
import { LATCHKEY, type LatchkeySettings } from './settings.ts';
import { type Fault, WireDevice } from './wire-device.ts';
import { WireReadings } from './wire-readings.ts';

const PULSE_MS = 500;
/** Nobody else is asked while the line is looked around: so long at most, and so seldom. */
const LOOK_LIMIT_MS = 10_000;
const LOOK_AGAIN_MS = 300_000;
const UNLOCK_WITHIN_MS = 2_000;
/** After an unlock the doors are looked at without a pause for so long. */
const WATCH_AFTER_UNLOCK_MS = 3_000;

/** What noise cannot make. */
const ATTACKS: ReadonlySet<Refusal> = new Set(['forged', 'replayed', 'reflected', 'downgraded', 'swapped']);

export interface LatchkeyLineParts extends LineParts {
  readonly devices: readonly LatchkeySettings[];
  readonly baud: number;
  readonly cycleMs: number;
  readonly marginMs: number;
}

interface Entry {
  readonly device: WireDevice;
  readonly readings: WireReadings;
  state: DeviceStatus['state'];
  reason: string;
  claim?: SensorClaim;
  lastAnswerUpMs?: number;
  lookedAtMs?: number;
}

interface UnlockJob {
  readonly entry: Entry;
  readonly channel: number;
  readonly signal: AbortSignal;
  readonly resolve: (answer: UnlockAnswer) => void;
}

export class LatchkeyLine implements Line {
  readonly #parts: LatchkeyLineParts;
  readonly #port: LinePort;
  readonly #abort = new AbortController();
  readonly #conversation: Conversation;
  readonly #entries: readonly Entry[];
  readonly #jobs: UnlockJob[] = [];
  readonly #pairs = new PairQueue();
  readonly #attacks: LineAttacks;
  #isOpen = false;
  /** Counts openings of the port: a round of an earlier one ends, however quickly the port came back. */
  #opening = 0;
  #hurryUntilMs = 0;
  #cycleMs: number | undefined;
  #running: Promise<void> = Promise.resolve();
  #wake: AbortController = new AbortController();

  constructor(parts: LatchkeyLineParts) {
    this.#parts = parts;
    this.#port = new LinePort(parts);
    this.#attacks = new LineAttacks(parts);
    const now = (): number => parts.scheduler.monotonicMs();
    this.#conversation = new Conversation({
      port: parts.port,
      scheduler: parts.scheduler,
      baud: parts.baud,
      marginMs: parts.marginMs,
      signal: this.#abort.signal,
      refused: (party, what) => this.#refused(party, what),
      damaged: (sizeBytes, verdict) => this.#damaged(sizeBytes, verdict),
      frame: () => this.#port.counts.add('frames'),
      attention: () => this.#wake.abort(),
    });
    this.#entries = parts.devices.map((settings): Entry => {
      const device: WireDevice = new WireDevice(
        settings,
        this.#conversation,
        {
          found: (_device, claim) => this.#found(entry, claim),
          failed: (_device, fault, detail) => this.#failed(entry, fault, detail),
          missed: (_device, events) => this.#missed(entry, events),
          attacked: (_device, what) => this.#attacks.noted(settings.name, `${what}_at_device`),
          polled: (_device, polled, askedAtMs) => {
            const observed = parts.observer.observe();
            entry.lastAnswerUpMs = observed.upMs;
            const askedUpMs = Math.max(0, observed.upMs - Math.max(0, Math.round(now() - askedAtMs)));
            const hasItems = device.capabilities?.features.includes('occupancy') === true;
            entry.readings.take(polled, { observed, askedUpMs }, hasItems);
          },
          recorded: () => parts.recorded?.(this.#abort.signal) ?? Promise.resolve(),
          collides: (_device, identity) => this.#collides(entry, identity),
        },
        { monotonicMs: now, wallMs: () => knownWallMs(parts.observer.observe()) },
      );
      const readings = new WireReadings(parts, settings);
      const entry: Entry = { device, readings, state: 'unknown', reason: '' };
      return entry;
    });
  }

  start(): void {
    this.#port.start({
      heard: (chunk) => this.#conversation.hear(chunk),
      opened: () => {
        this.#isOpen = true;
        this.#opening += 1;
        const opening = this.#opening;
        this.#running = this.#running.then(() => this.#run(opening));
      },
      lost: () => this.#lost(),
    });
  }

  firstAttempt(): Promise<void> {
    return this.#port.firstAttempt();
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    this.#abort.abort(new Error('the line stops'));
    this.#wake.abort();
    this.#conversation.cut();
    for (const job of this.#jobs.splice(0)) job.resolve({ kind: 'not_sent', reason: 'stopped' });
    this.#pairs.drop('the gateway stops: pair it afterwards');
    await this.#running;
    this.#attacks.stop();
    for (const { device } of this.#entries) {
      await device.remember().catch((error: unknown) => {
        const { logger, port } = this.#parts;
        logger.warn(
          { port: port.name, device: device.settings.name, why: messageOf(error) },
          'its events are not kept',
        );
      });
    }
    await this.#port.close();
  }

  status(): LineStatus {
    const devices = this.#entries.map(({ device, state, reason, lastAnswerUpMs }): DeviceStatus => {
      const { counters } = device;
      const remedy = state === 'lost' || state === 'faulted' ? remedyFor(reason) : undefined;
      return {
        name: device.settings.name,
        driver: LATCHKEY,
        state,
        reason,
        ...(lastAnswerUpMs !== undefined && { lastAnswerUpMs }),
        ...(counters !== undefined && { counters }),
        ...(remedy !== undefined && { remedy }),
      };
    });
    return { ...this.#port.status(), devices, ...(this.#cycleMs !== undefined && { cycleMs: this.#cycleMs }) };
  }

  unlock(device: string, channel: number, signal: AbortSignal): Promise<UnlockAnswer> {
    const entry = this.#entries.find((one) => one.device.settings.name === device);
    if (entry === undefined) return Promise.resolve({ kind: 'not_sent', reason: 'unknown_device' });
    if (!this.#isOpen || !entry.device.isInSession)
      return Promise.resolve({ kind: 'not_sent', reason: 'port_not_open' });
    // A door must not open seconds after it was asked for.
    if (this.#pairs.isRunning) return Promise.resolve({ kind: 'not_sent', reason: 'line_busy' });
    if (entry.device.capabilities?.features.includes('lock') !== true) {
      return Promise.resolve({ kind: 'not_sent', reason: 'no_locks' });
    }
    if (channel < 1 || channel > entry.device.settings.channels) {
      return Promise.resolve({ kind: 'not_sent', reason: 'unknown_channel' });
    }
    return new Promise((resolve) => {
      this.#jobs.push({ entry, channel, signal, resolve });
      this.#wake.abort();
    });
  }

  pair(device: string, ask: PairAsk): Promise<PairedDevice> {
    if (!this.#isOpen) {
      const { name, reason } = { name: this.#parts.port.name, reason: this.#port.status().reason };
      return Promise.reject(new LatchkeyError('PORT_UNAVAILABLE', `port ${name} is not open: ${reason}`));
    }
    const paired = this.#pairs.add({ device, ask });
    this.#wake.abort();
    return paired;
  }

  /** Nobody else is asked meanwhile. The session of before is over with it, whatever became of the pairing. */
  async #pairNow({ device, ask }: PairJob): Promise<PairedDevice> {
    const entry = this.#entries.find((one) => one.device.settings.name === device);
    if (entry === undefined) throw new LatchkeyError('USAGE', `no device of this line is named ${device}`);
    const code = ask.code === undefined ? undefined : parsePairingCode(ask.code);
    if (code?.ok === false) throw new LatchkeyError('USAGE', `pairing code: ${code.detail}`);
    const { logger, port } = this.#parts;
    logger.info({ port: port.name, device }, 'a device is being paired');
    if (entry.state === 'found') this.#become(entry, 'lost', 'pairing');
    try {
      return await runPairing({ ...ask, settings: entry.device.settings }, this.#conversation, code?.value);
    } finally {
      entry.device.forget();
    }
  }

  /** Until the port is lost or the line stops. */
  async #run(opening: number): Promise<void> {
    const { scheduler } = this.#parts;
    for (const { device } of this.#entries) device.forget();
    const goesOn = (): boolean => this.#isOpen && this.#opening === opening;
    while (goesOn()) {
      const startMs = scheduler.monotonicMs();
      for (const { device } of this.#entries) {
        if (!goesOn()) return;
        await this.#unlockWaiting();
        await this.#pairs.run((job) => this.#pairNow(job));
        if (!goesOn()) return;
        await device.turn();
      }
      const nowMs = scheduler.monotonicMs();
      this.#cycleMs = Math.round(nowMs - startMs);
      const restMs = nowMs < this.#hurryUntilMs ? 0 : this.#parts.cycleMs - (nowMs - startMs);
      await this.#rest(Math.max(5, restMs));
    }
  }

  /** Ends early when something is to be done. */
  async #rest(delayMs: number): Promise<void> {
    if (this.#jobs.length === 0 && !this.#pairs.isWaiting && !this.#wake.signal.aborted) {
      await sleep(this.#parts.scheduler, delayMs, this.#wake.signal).catch(() => undefined);
    }
    this.#wake = new AbortController();
    if (this.#abort.signal.aborted) this.#wake.abort();
  }

  async #unlockWaiting(): Promise<void> {
    for (const { entry, channel, signal, resolve } of this.#jobs.splice(0)) {
      if (signal.aborted) {
        resolve({ kind: 'not_sent', reason: 'stopped' });
        continue;
      }
      if (!entry.device.isInSession) {
        resolve({ kind: 'not_sent', reason: 'port_not_open' });
        continue;
      }
      const sentUpMs = this.#parts.observer.observe().upMs;
      this.#hurryUntilMs = this.#parts.scheduler.monotonicMs() + WATCH_AFTER_UNLOCK_MS;
      const result = await entry.device.unlock(channel, PULSE_MS, UNLOCK_WITHIN_MS);
      const reply = result === undefined ? 'missing' : result.startsWith('fired') ? 'accepted' : 'rejected';
      resolve({ kind: 'sent', sentUpMs, reply });
    }
  }

  #found(entry: Entry, claim: SensorClaim): void {
    const isNew = entry.state !== 'found' || entry.claim?.boot !== claim.boot || entry.claim?.session !== claim.session;
    entry.claim = claim;
    if (isNew) this.#become(entry, 'found', 'authenticated');
  }

  #failed(entry: Entry, fault: Fault, detail: string): void {
    const { port, logger, metrics } = this.#parts;
    metrics.count('wire_failures', 1, { port: port.name, fault });
    logger.debug({ port: port.name, device: entry.device.settings.name, fault, detail }, 'a device failed');
    const isLoss = fault === 'no_reply' || fault === 'reset' || fault === 'spent';
    this.#become(entry, isLoss ? 'lost' : 'faulted', fault);
  }

  /** It goes on speaking: what was lost is told, and its state is looked at anew. */
  #missed(entry: Entry, events: number): void {
    const { port, logger, metrics } = this.#parts;
    metrics.count('wire_events_lost', events, { port: port.name });
    logger.warn({ port: port.name, device: entry.device.settings.name, events }, 'a device lost events');
    this.#become(entry, 'faulted', 'events_lost', events);
    if (entry.claim !== undefined) this.#become(entry, 'found', 'authenticated');
  }

  #become(entry: Entry, state: 'found' | 'lost' | 'faulted', reason: string, missing?: number): void {
    if (entry.state === state && entry.reason === reason && state !== 'found') return;
    // A device that was never there is not lost by a reset.
    if (reason === 'reset' && entry.state !== 'found') return;
    entry.state = state;
    entry.reason = reason;
    if (state !== 'found') entry.readings.forget();
    const { observer, sink, logger, port } = this.#parts;
    const { name, what } = entry.device.settings;
    const { claim, lastAnswerUpMs } = entry;
    const isProved = state === 'found' && claim !== undefined;
    logger.info(
      { port: port.name, device: name, state, reason, session: isProved ? claim.session : undefined },
      'device changed',
    );
    sink({
      kind: 'device',
      device: name,
      observed: observer.observe(),
      state,
      reason,
      what,
      ...(lastAnswerUpMs !== undefined && { lastAnswerUpMs }),
      ...(missing !== undefined && { missing }),
      ...(isProved && { sensor: claim, identity: identityText(claim) }),
    });
  }

  #lost(): void {
    this.#isOpen = false;
    this.#conversation.cut();
    this.#wake.abort();
    for (const job of this.#jobs.splice(0)) job.resolve({ kind: 'not_sent', reason: 'port_not_open' });
    this.#pairs.drop(`port ${this.#parts.port.name} was lost: try again when it is back`);
    for (const entry of this.#entries) this.#become(entry, 'lost', 'port_lost');
  }

  #damaged(sizeBytes: number, verdict: string): void {
    this.#port.counts.add('noiseBytes', sizeBytes);
    if (verdict === 'crc') this.#port.counts.add('checksumErrors');
  }

  #refused(party: Party, what: Refusal): void {
    const { metrics, port } = this.#parts;
    if (what === 'timeouts' || what === 'echoes' || what === 'unasked' || what === 'foreign') {
      this.#port.counts.add(what);
    }
    metrics.count('wire_refused', 1, { port: port.name, what });
    if (!ATTACKS.has(what)) return;
    const entry = this.#entries.find(({ device }) => device.settings.address === party.peer.address);
    if (entry !== undefined) this.#attacks.noted(entry.device.settings.name, what);
  }

  /** Whether a look around the line finds two devices at the address, or two under the identity, of this one. */
  async #collides(entry: Entry, identity: Uint8Array): Promise<boolean> {
    const { scheduler, logger, port } = this.#parts;
    const startMs = scheduler.monotonicMs();
    if (entry.lookedAtMs !== undefined && startMs - entry.lookedAtMs < LOOK_AGAIN_MS) return false;
    // Whoever answers a question to nobody tangles every answer: then it is the line, not an address.
    const isQuiet = await this.#isQuiet().catch(() => false);
    if (!isQuiet) return false;
    entry.lookedAtMs = startMs;
    const goesOn = (): boolean => this.#isOpen && scheduler.monotonicMs() - startMs < LOOK_LIMIT_MS;
    // What cannot be written while the port goes away finds nobody.
    const around = await lookAround((line) => this.#conversation.shout(line), goesOn).catch(() => undefined);
    if (around === undefined) return false;
    const { name, address } = entry.device.settings;
    const seen = around.found.map((here) => `${hex(here.identity)} at address ${here.address}`);
    logger.warn(
      { port: port.name, device: name, address, seen },
      'every answer is damaged: the line was looked around',
    );
    const isTwice = around.unclear.some((one) => same(one, identity));
    return isTwice || around.found.filter((here) => here.address === address).length > 1;
  }

  async #isQuiet(): Promise<boolean> {
    const body = whoBody(new Uint8Array(8), 64, false);
    const heard = await this.#conversation.shout(lineOf(openContent(false, ADDRESS_ALL, OPEN_TYPES.WHO, body)));
    return heard.frames.length === 0 && heard.damagedBytes === 0;
  }
}

function knownWallMs({ wallMs, clock }: Observed): number | undefined {
  return clock.src === 'none' ? undefined : wallMs;
}

function identityText({ identity, model, version }: SensorClaim): string {
  return [identity, model, version]
    .filter((part) => part !== undefined)
    .join(' ')
    .slice(0, 64);
}
