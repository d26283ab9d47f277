/**
 * One device on the open wire: opens its session, learns what it is, polls it, and says what it reported. What is not
 * authenticated never becomes a reading.
 */
import { randomBytes } from 'node:crypto';
import { isMeasuredBy } from '../../../../firmware-protocol/codec/crypto.ts';
import {
  type Capabilities,
  type OpenRequest,
  openBody,
  type Polled,
  pollBody,
  readCapable,
  readMeasured,
  readOpened,
  readPolled,
} from '../../../../firmware-protocol/codec/messages.ts';
import {
  NO_SESSION,
  type Session,
  type SessionFailure,
  TRIES_MAX,
  type WireKey,
} from '../../../../firmware-protocol/codec/session.ts';
import { SEALED_TYPES } from '../../../../firmware-protocol/codec/types.ts';
import { base64url, hex } from '../../../base/bytes.ts';
import { messageOf } from '../../../base/errors.ts';
import type { SensorClaim } from '../../contracts/reading.ts';
import type { Conversation, Outcome, Party } from './conversation.ts';
import { type DeviceAttack, NOTHING_TOLD } from './device-counts.ts';
import { type DeviceKeys, readDeviceKeys, writeDeviceKeys } from './key-file.ts';
import type { LatchkeySettings } from './settings.ts';
import { nodeWireCrypto } from './wire-crypto.ts';
import { type WireClock, WireUpkeep } from './wire-upkeep.ts';

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;
const SESSION_AGE_MAX_MS = 24 * 3_600_000;

/** Why a device is not believed, as stable words (`remedies.ts`). */
export type Fault =
  | SessionFailure
  | 'not_paired'
  | 'key_unreadable'
  | 'went_back'
  | 'duplicate_address'
  | 'unmeasured'
  | 'wrong_channels'
  | 'reset';

type Opened = Extract<Outcome, { kind: 'opened' }>;

export interface WireDeviceListener {
  found(device: WireDevice, claim: SensorClaim): void;
  failed(device: WireDevice, fault: Fault, detail: string): void;
  /** Events are lost for good. */
  missed(device: WireDevice, events: number): void;
  /** The device heard what nobody here had said. */
  attacked(device: WireDevice, what: DeviceAttack): void;
  polled(device: WireDevice, polled: Polled, askedAtMs: number): void;
  /** Resolves when all that was polled is in the journal for good; rejects when it is not, or not yet. */
  recorded(): Promise<void>;
  /** Every answer of its address was damaged: whether two devices on the line have it. */
  collides(device: WireDevice, identity: Uint8Array): Promise<boolean>;
}

export class WireDevice {
  readonly settings: LatchkeySettings;
  readonly #conversation: Conversation;
  readonly #listener: WireDeviceListener;
  readonly #clock: WireClock;
  #party: Party | undefined;
  #keys: DeviceKeys | undefined;
  #capabilities: Capabilities | undefined;
  /** The newest event that was handed on: one that comes again is no news. */
  #taken = 0;
  /** The newest one that is in the journal for good. Until then the device keeps it, and tells it again after a power cut here. */
  #acknowledged = 0;
  #isKeeping = false;
  /** The newest number that came, or is known to be lost. */
  #accounted = 0;
  /** False before the first poll: what was acknowledged before this gateway started is not missing. */
  #isCounting = false;
  #boot = 0;
  #openedAtMs = 0;
  #retryAtMs = 0;
  #retryMs = RETRY_FIRST_MS;
  /** Two devices were found at its address; until one of them opens a session. */
  #isDouble = false;
  #uptime = { deviceMs: 0, atMs: 0 };
  readonly #upkeep: WireUpkeep;

  constructor(settings: LatchkeySettings, conversation: Conversation, listener: WireDeviceListener, clock: WireClock) {
    this.settings = settings;
    this.#conversation = conversation;
    this.#listener = listener;
    this.#clock = clock;
    this.#upkeep = new WireUpkeep({
      keyFile: settings.key_file,
      clock,
      ask: (type, body) => this.#ask(type, body),
      missed: (events) => listener.missed(this, events),
      attacked: (what) => listener.attacked(this, what),
    });
  }

  /** Its own counters, as it told them last in this session; absent before. */
  get counters(): Readonly<Record<string, number>> | undefined {
    return this.#upkeep.counters;
  }

  get capabilities(): Capabilities | undefined {
    return this.#capabilities;
  }

  get isInSession(): boolean {
    const phase = this.#party?.session.phase;
    return phase === 'ready' || phase === 'asking';
  }

  /** The port was away: nothing of before holds, and nobody needs to wait. */
  forget(): void {
    if (this.#party !== undefined) this.#party.session = NO_SESSION;
    // Read anew: it may have been paired meanwhile, and be another one.
    this.#party = undefined;
    this.#keys = undefined;
    this.#retryAtMs = 0;
    this.#retryMs = RETRY_FIRST_MS;
  }

  /** Polls, or opens a session when it is time. Never rejects for what the line or the device does. */
  async turn(): Promise<void> {
    const nowMs = this.#now();
    if (this.isInSession && nowMs - this.#openedAtMs > SESSION_AGE_MAX_MS) this.forget();
    if (!this.isInSession) {
      if (nowMs < this.#retryAtMs || !(await this.#open())) return;
    }
    await this.#poll();
    if (this.isInSession) await this.#keepUp(() => this.#upkeep.turn());
  }

  /** Before this gateway stops: how many events it saw, so that the next start knows a device with fewer. */
  async remember(): Promise<void> {
    const keys = await readDeviceKeys(this.settings.key_file);
    // Nothing of it, or of another key or boot meanwhile.
    if (keys === undefined || keys.boot !== this.#boot || this.#accounted <= (keys.events ?? 0)) return;
    await writeDeviceKeys(this.settings.key_file, { ...keys, events: this.#accounted });
  }

  /** Undefined when there is no session, or it ended without an answer: the request may have been performed then. */
  async unlock(channel: number, pulseMs: number, withinMs: number): Promise<string | undefined> {
    if (!this.isInSession) return undefined;
    const request: OpenRequest = {
      channel,
      pulseMs,
      notAfterMs: this.#uptime.deviceMs + (this.#now() - this.#uptime.atMs) + withinMs,
      command: randomBytes(8),
    };
    const answer = await this.#ask(SEALED_TYPES.OPEN, openBody(request));
    if (answer === undefined) return undefined;
    return answer.type === SEALED_TYPES.OPENED ? readOpened(answer.body).result : 'failed';
  }

  async #open(): Promise<boolean> {
    const keys = await this.#readKeys();
    if (keys === undefined) return false;
    const { address } = this.settings;
    this.#party ??= { peer: { address, identity: keys.identity }, session: NO_SESSION, replyMaxMs: 50 };
    let reason: SessionFailure = 'unknown_key';
    // The next key first: a device that took it has forgotten the one before.
    for (const key of [keys.next, keys.current]) {
      if (key === undefined) continue;
      const outcome = await this.#conversation.converse(this.#party, { kind: 'open', key, random: randomBytes(16) });
      if (outcome.kind === 'opened') return this.#greeted(keys, key, outcome);
      reason = outcome.kind === 'failed' ? outcome.reason : 'malformed';
      if (reason !== 'unknown_key') break;
    }
    const allDamaged = reason === 'no_reply' && this.#conversation.damagedTries >= TRIES_MAX;
    this.#isDouble = allDamaged && (this.#isDouble || (await this.#listener.collides(this, keys.identity)));
    return this.#fail(this.#isDouble ? 'duplicate_address' : reason);
  }

  async #readKeys(): Promise<DeviceKeys | undefined> {
    try {
      this.#keys ??= await readDeviceKeys(this.settings.key_file);
    } catch (error) {
      this.#fail('key_unreadable', messageOf(error));
      return undefined;
    }
    if (this.#keys === undefined) this.#fail('not_paired');
    return this.#keys;
  }

  async #greeted(keys: DeviceKeys, key: WireKey, opened: Opened): Promise<boolean> {
    const { session, nextEvent } = opened;
    const { boot } = session;
    this.#isDouble = false;
    if (boot < keys.boot) return this.#fail('went_back', `boot ${boot} after ${keys.boot}`);
    const events = nextEvent - 1;
    // Lost and unread events have numbers too, so a device never has fewer than were seen of it (PROTOCOL.md section 9).
    const known = Math.max(boot === keys.boot ? (keys.events ?? 0) : 0, boot === this.#boot ? this.#accounted : 0);
    if (events < known) return this.#fail('went_back', `${events} events in boot ${boot} after ${known}`);
    // Of another start nothing was told yet; of a device that was never heard, nobody missed anything.
    const told = boot === keys.boot ? keys.told : keys.boot === 0 ? undefined : NOTHING_TOLD;
    if (boot !== keys.boot || key === keys.next || events !== (keys.events ?? 0)) {
      const isRotating = key === keys.current && keys.next !== undefined;
      const { identity } = keys;
      const kept: DeviceKeys = {
        ...{ identity, current: key, boot, events },
        ...(isRotating && { next: keys.next }),
        ...(told !== undefined && { told }),
      };
      try {
        // Kept first: what is not on the disk would be believed again after a restart of this gateway.
        await writeDeviceKeys(this.settings.key_file, kept);
      } catch (error) {
        return this.#fail('key_unreadable', messageOf(error));
      }
      this.#keys = kept;
    }
    if (this.#boot !== 0 && boot !== this.#boot)
      this.#listener.failed(this, 'reset', `boot ${boot} after ${this.#boot}`);
    if (boot !== this.#boot) {
      this.#taken = 0;
      this.#acknowledged = 0;
      this.#accounted = 0;
    }
    this.#boot = boot;
    this.#upkeep.begin(boot, told);
    const claim = await this.#learn(keys.identity, key, session);
    if (claim === undefined) return false;
    this.#openedAtMs = this.#now();
    this.#retryMs = RETRY_FIRST_MS;
    this.#listener.found(this, claim);
    return this.#keepUp(() => this.#upkeep.turn());
  }

  /** What it can, and what runs on it. */
  async #learn(identity: Uint8Array, key: WireKey, session: Session): Promise<SensorClaim | undefined> {
    const capable = await this.#ask(SEALED_TYPES.CAPABILITIES, new Uint8Array(0));
    if (capable === undefined) return undefined;
    const capabilities = readCapable(capable.type === SEALED_TYPES.CAPABLE ? capable.body : new Uint8Array(0));
    if (capabilities.channels !== this.settings.channels) {
      this.#fail('wrong_channels', `it has ${capabilities.channels} channels`);
      return undefined;
    }
    this.#capabilities = capabilities;
    if (this.#party !== undefined) this.#party.replyMaxMs = capabilities.replyMaxMs;
    const nonce = randomBytes(16);
    const measured = await this.#ask(SEALED_TYPES.MEASURE, nonce);
    if (measured === undefined) return undefined;
    const claim: SensorClaim = {
      session: base64url(session.keys.id),
      boot: session.boot,
      key: key.number,
      identity: hex(identity),
      ...(capabilities.firmware !== undefined && { version: capabilities.firmware }),
      ...(capabilities.model !== undefined && { model: capabilities.model }),
    };
    if (measured.type !== SEALED_TYPES.MEASURED) {
      // A device whose boot loader measures nothing: fine unless a measurement is asked for.
      return this.settings.firmware.length === 0 ? claim : this.#unmeasured('it reports no measurement');
    }
    const report = readMeasured(measured.body);
    const isTrue = isMeasuredBy(nodeWireCrypto, key.key, { ...report, identity, nonce });
    if (!isTrue || report.boot !== session.boot) return this.#unmeasured('its report is not signed with its key');
    const { firmware } = this.settings;
    if (firmware.length > 0 && !firmware.includes(hex(report.digest))) {
      return this.#unmeasured(`it runs ${hex(report.digest)}`);
    }
    const proof = { nonce: base64url(nonce), mac: base64url(report.mac) };
    return { ...claim, firmware: base64url(report.digest), ...proof };
  }

  #unmeasured(detail: string): undefined {
    this.#fail('unmeasured', detail);
    return undefined;
  }

  async #poll(): Promise<void> {
    const askedAtMs = this.#now();
    const answer = await this.#ask(SEALED_TYPES.POLL, pollBody(this.#acknowledged));
    if (answer === undefined) return;
    if (answer.type !== SEALED_TYPES.POLLED) {
      this.#fail('malformed', 'it refuses to be polled');
      return;
    }
    const polled = readPolled(answer.body);
    this.#uptime = { deviceMs: polled.uptimeMs, atMs: askedAtMs };
    if (polled.doors.length !== this.settings.channels) {
      this.#fail('wrong_channels', `it has ${polled.doors.length} channels`);
      return;
    }
    const fresh = polled.events.filter(({ number }) => number > this.#taken);
    const missing = missingOf(this.#accounted, fresh, polled);
    if (missing > 0 && this.#isCounting && !(await this.#keepUp(() => this.#upkeep.jumped(missing)))) return;
    this.#isCounting = true;
    this.#taken = fresh.at(-1)?.number ?? this.#taken;
    // An answer full of what is not acknowledged yet says nothing of what comes after it.
    this.#accounted = Math.max(this.#accounted, polled.more ? this.#taken : polled.nextEvent - 1);
    this.#listener.polled(this, { ...polled, events: fresh }, askedAtMs);
    this.#keep();
  }

  /** Nobody waits for it: what is not recorded at the next poll comes again, and is tried again. */
  #keep(): void {
    if (this.#isKeeping || this.#acknowledged >= this.#taken) return;
    const boot = this.#boot;
    const taken = this.#taken;
    this.#isKeeping = true;
    this.#listener
      .recorded()
      .then(() => {
        if (boot === this.#boot) this.#acknowledged = taken;
      })
      .catch(() => undefined)
      .finally(() => {
        this.#isKeeping = false;
      });
  }

  /** False when the session ended over it. */
  async #keepUp(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      return this.#fail('key_unreadable', messageOf(error));
    }
  }

  #now(): number {
    return this.#clock.monotonicMs();
  }

  async #ask(
    type: number,
    body: Uint8Array,
  ): Promise<{ readonly type: number; readonly body: Uint8Array } | undefined> {
    if (this.#party === undefined) return undefined;
    const outcome = await this.#conversation.converse(this.#party, { kind: 'ask', type, body });
    if (outcome.kind === 'answer') return outcome;
    this.#fail(outcome.kind === 'failed' ? outcome.reason : 'malformed');
    return undefined;
  }

  #fail(fault: Fault, detail = ''): false {
    if (this.#party !== undefined) this.#party.session = NO_SESSION;
    // Read anew at the next attempt: a technician may have paired it meanwhile.
    this.#keys = undefined;
    this.#retryAtMs = this.#now() + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs);
    this.#listener.failed(this, fault, detail);
    return false;
  }
}

/** Events whose numbers were used up and never came: between those that came, or after the last when none waits. */
function missingOf(accounted: number, fresh: readonly { readonly number: number }[], polled: Polled): number {
  const last = fresh.at(-1)?.number ?? accounted;
  const between = last - accounted - fresh.length;
  const after = polled.more ? 0 : polled.nextEvent - 1 - last;
  return between + after;
}
