/**
 * Pairs a device with this gateway, or gives a paired one another key (PROTOCOL.md section 11). Every step leaves both sides with a
 * key that works: power may fail anywhere, and the next attempt goes on.
 */
import { createHash, randomBytes } from 'node:crypto';
import { same } from '../../../../firmware-protocol/codec/bytes.ts';
import type { Heard } from '../../../../firmware-protocol/codec/discovery.ts';
import { ADDRESS_ALL, lineOf, openContent } from '../../../../firmware-protocol/codec/frame.ts';
import { assignBody, type Here, readHere, setKeyBody, whoBody } from '../../../../firmware-protocol/codec/messages.ts';
import { type PairingCode, readPairingCode } from '../../../../firmware-protocol/codec/pairing-code.ts';
import { NO_SESSION, type WireKey } from '../../../../firmware-protocol/codec/session.ts';
import { OPEN_TYPES, SEALED_TYPES } from '../../../../firmware-protocol/codec/types.ts';
import { hex } from '../../../base/bytes.ts';
import type { Scheduler } from '../../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import { accept, type Result, refuse } from '../../../base/result.ts';
import type { Port } from '../../contracts/port.ts';
import type { PairedDevice } from '../line.ts';
import { Conversation, type Outcome, type Party } from './conversation.ts';
import { NOTHING_TOLD } from './device-counts.ts';
import { type DeviceKeys, readDeviceKeys, writeDeviceKeys } from './key-file.ts';
import { lookAround } from './look-around.ts';
import type { LatchkeySettings } from './settings.ts';

const OPEN_LIMIT_MS = 10_000;
const FIND_TRIES = 3;
const KEY_NUMBER_MAX = 65_535;

export interface PairParts {
  readonly port: Port;
  readonly baud: number;
  readonly marginMs: number;
  readonly settings: LatchkeySettings;
  readonly scheduler: Scheduler;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export function parsePairingCode(text: string): Result<PairingCode, 'code'> {
  const code = readPairingCode(text, (data) => createHash('sha256').update(data).digest());
  if (code === 'length') return refuse('code', 'expected the 42 letters and digits of the label');
  if (code === 'letter') return refuse('code', 'expected letters A to Z and digits 2 to 7 only');
  return code === 'check' ? refuse('code', 'one letter or more is wrong: its check does not fit') : accept(code);
}

/** `code`: from the label, to pair. Without it, the key of a paired device is rotated. */
export async function pairDevice(parts: PairParts, code?: PairingCode): Promise<PairedDevice> {
  const line = new PairLine(parts);
  await line.open();
  try {
    return await runPairing(parts, line.conversation, code);
  } finally {
    await line.close();
  }
}

type PairingParts = Pick<PairParts, 'settings' | 'signal' | 'say'>;

/** The same on a line that somebody else opened, and that nobody else speaks on until this ends. */
export function runPairing(
  parts: PairingParts,
  conversation: Conversation,
  code: PairingCode | undefined,
): Promise<PairedDevice> {
  return new Pairing(parts, conversation).run(code);
}

class Pairing {
  readonly #parts: PairingParts;
  readonly #line: Conversation;

  constructor(parts: PairingParts, line: Conversation) {
    this.#parts = parts;
    this.#line = line;
  }

  async run(code: PairingCode | undefined): Promise<PairedDevice> {
    const { settings, say } = this.#parts;
    const known = await readDeviceKeys(settings.key_file);
    if (code === undefined && known === undefined) {
      throw new LatchkeyError('USAGE', `${settings.name} is not paired yet: pair it with the code of its label first`);
    }
    const identity = code?.identity ?? known?.identity ?? new Uint8Array(8);
    const party: Party = { peer: { address: settings.address, identity }, session: NO_SESSION, replyMaxMs: 50 };
    if (code !== undefined) await this.#find(identity);
    const before = known !== undefined && same(known.identity, identity) ? known : undefined;
    if (code === undefined && before !== undefined) {
      // A rotation that was cut may have reached the device.
      const { keys, boot } = await this.#openKnown(party, before);
      say('session opened with the key in use');
      return this.#giveKey(party, atBoot(keys, boot));
    }
    if (code === undefined)
      throw new LatchkeyError('KEY_LOST', `${settings.key_file} holds the keys of another device`);
    const boot = await this.#openWith(party, { number: 0, key: code.labelKey });
    say('session opened with the key of the label');
    return this.#giveKey(party, atBoot(before ?? { identity, boot: 0 }, boot));
  }

  async #openKnown(party: Party, keys: DeviceKeys): Promise<{ readonly keys: DeviceKeys; readonly boot: number }> {
    const { current, next, ...known } = keys;
    if (next !== undefined) {
      const outcome = await this.#greet(party, next);
      // The device forgot the key before with this session: the only one that it has must not be written over by another next one.
      if (outcome.kind === 'opened') return { keys: { ...known, current: next }, boot: outcome.boot };
    }
    if (current === undefined) throw new LatchkeyError('KEY_LOST', `${this.#parts.settings.key_file} holds no key`);
    return { keys, boot: await this.#openWith(party, current) };
  }

  async #openWith(party: Party, key: WireKey): Promise<number> {
    const outcome = await this.#greet(party, key);
    if (outcome.kind === 'opened') return outcome.boot;
    const reason = outcome.kind === 'failed' ? outcome.reason : 'malformed';
    const remedy =
      reason === 'unknown_key'
        ? 'it takes the key of its label only in pairing mode: press the button inside its housing, and try again'
        : reason === 'no_reply'
          ? 'it does not answer under its proof: check that the code is that of this device'
          : `the session failed: ${reason}`;
    throw new LatchkeyError('PORT_UNAVAILABLE', `${this.#parts.settings.name}: ${remedy}`);
  }

  /** Steps 3 to 5. The file is durable before the device hears of the key. */
  async #giveKey(party: Party, keys: DeviceKeys): Promise<PairedDevice> {
    const { settings, say } = this.#parts;
    let number = Math.max(keys.current?.number ?? 0, keys.next?.number ?? 0) + 1;
    for (;;) {
      const next: WireKey = { number, key: randomBytes(16) };
      await writeDeviceKeys(settings.key_file, { ...keys, next });
      const answer = await this.#ask(party, SEALED_TYPES.SET_KEY, setKeyBody(number, next.key));
      if (answer?.type === SEALED_TYPES.KEY_SET) {
        const boot = await this.#openWith(party, next);
        const { current: _current, next: _next, ...known } = keys;
        const kept: DeviceKeys = { ...known, current: next };
        await writeDeviceKeys(settings.key_file, atBoot(kept, boot));
        say(`key ${number} is in use`);
        return { identity: hex(keys.identity), key: number, boot };
      }
      // It has a higher one from another gateway: numbers only ever grow.
      if (answer?.body[0] !== 2 || number >= KEY_NUMBER_MAX) {
        throw new LatchkeyError('PORT_UNAVAILABLE', `${settings.name} did not take a key: try again`);
      }
      number = Math.min(KEY_NUMBER_MAX, 2 * number);
    }
  }

  /** The device of the label, at its address. */
  async #find(identity: Uint8Array): Promise<void> {
    const { settings, say } = this.#parts;
    const here = await this.#who(identity);
    if (here === undefined) {
      const others = await lookAround((line) => this.#shout(line));
      const seen = others.found.map((one) => `${hex(one.identity)} at address ${one.address}`);
      const found = seen.length === 0 ? 'nobody' : seen.join(', ');
      throw new LatchkeyError('PORT_UNAVAILABLE', `expected device ${hex(identity)} on this line, found ${found}`);
    }
    say(`found ${hex(identity)} at address ${here.address}`);
    if (here.address === settings.address) return;
    const asked = assignBody(identity, settings.address);
    const line = lineOf(openContent(false, ADDRESS_ALL, OPEN_TYPES.ASSIGN, asked));
    const { frames } = await this.#shout(line);
    if (!frames.some((frame) => !frame.sealed && frame.type === OPEN_TYPES.ASSIGNED && same(frame.body, asked))) {
      throw new LatchkeyError(
        'PORT_UNAVAILABLE',
        `${hex(identity)} did not take address ${settings.address}: try again`,
      );
    }
    say(`given address ${settings.address}`);
  }

  #greet(party: Party, key: WireKey): Promise<Outcome> {
    this.#goOn();
    return this.#line.converse(party, { kind: 'open', key, random: randomBytes(16) });
  }

  async #ask(party: Party, type: number, body: Uint8Array): Promise<{ type: number; body: Uint8Array } | undefined> {
    this.#goOn();
    const outcome = await this.#line.converse(party, { kind: 'ask', type, body });
    return outcome.kind === 'answer' ? outcome : undefined;
  }

  async #who(identity: Uint8Array): Promise<Here | undefined> {
    const line = lineOf(openContent(false, ADDRESS_ALL, OPEN_TYPES.WHO, whoBody(identity, 64, true)));
    for (let tries = 0; tries < FIND_TRIES; tries += 1) {
      const { frames } = await this.#shout(line);
      for (const frame of frames) {
        if (frame.sealed || frame.type !== OPEN_TYPES.HERE || frame.body.length !== 14) continue;
        const here = readHere(frame.body);
        if (same(here.identity, identity)) return here;
      }
    }
    return undefined;
  }

  async #shout(line: Uint8Array): Promise<Heard> {
    this.#goOn();
    try {
      return await this.#line.shout(line);
    } catch (error) {
      throw new LatchkeyError('PORT_UNAVAILABLE', `the line went away: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Whoever asked may be gone. */
  #goOn(): void {
    if (this.#parts.signal.aborted) {
      throw new LatchkeyError('TIMED_OUT', `the pairing of ${this.#parts.settings.name} was broken off: try again`);
    }
  }
}

/** A line that nobody else has: its port, opened for this alone. */
class PairLine {
  readonly #parts: PairParts;
  readonly conversation: Conversation;

  constructor(parts: PairParts) {
    this.#parts = parts;
    this.conversation = new Conversation({
      ...parts,
      refused: () => undefined,
      damaged: () => undefined,
      frame: () => undefined,
      attention: () => undefined,
    });
  }

  open(): Promise<void> {
    const { port, scheduler } = this.#parts;
    return new Promise((resolve, reject) => {
      const limit = scheduler.after(OPEN_LIMIT_MS, () => {
        reject(new LatchkeyError('PORT_UNAVAILABLE', `port ${port.name} does not open`));
      });
      port.start({
        bytes: (chunk) => this.conversation.hear(chunk),
        state: (state, reason, trouble) => {
          if (state === 'opening') return;
          limit.cancel();
          if (state === 'open') resolve();
          else reject(new LatchkeyError(trouble ?? 'PORT_UNAVAILABLE', `port ${port.name}: ${reason}`));
        },
      });
    });
  }

  async close(): Promise<void> {
    this.conversation.cut();
    await this.#parts.port.close();
  }
}

/** Events are counted anew in each boot. */
function atBoot(keys: DeviceKeys, boot: number): DeviceKeys {
  if (boot <= keys.boot) return keys;
  const { events: _events, told: _told, ...rest } = keys;
  // Nothing of the boot before is missing in this one.
  return { ...rest, boot, ...(keys.boot > 0 && { told: NOTHING_TOLD }) };
}
