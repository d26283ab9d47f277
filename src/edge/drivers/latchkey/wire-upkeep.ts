/**
 * What a device is told and asked besides being polled (PROTOCOL.md sections 6 and 9): the time, for its display and records, and its
 * own counters, in which stands what somebody kept from this gateway.
 */
import { readCounted, timeBody } from '../../../../firmware-protocol/codec/messages.ts';
import { SEALED_TYPES } from '../../../../firmware-protocol/codec/types.ts';
import {
  type CountsAccount,
  type CountsFinding,
  counted,
  type DeviceAttack,
  jumped,
  type ToldCounts,
} from './device-counts.ts';
import { readDeviceKeys, writeDeviceKeys } from './key-file.ts';

const TIME_EVERY_MS = 3_600_000;
/** Told again at once when the wall clock moved by so much beside the time that passed. */
const TIME_STEP_MS = 2_000;
const COUNTERS_EVERY_MS = 60_000;

export interface WireClock {
  monotonicMs(): number;
  /** Undefined while nobody says where this machine's wall time comes from. */
  wallMs(): number | undefined;
}

export interface UpkeepParts {
  readonly keyFile: string;
  readonly clock: WireClock;
  /** Undefined when the session ended. */
  readonly ask: (
    type: number,
    body: Uint8Array,
  ) => Promise<{ readonly type: number; readonly body: Uint8Array } | undefined>;
  /** Events are lost for good. */
  readonly missed: (events: number) => void;
  /** The device heard what nobody here had said. */
  readonly attacked: (what: DeviceAttack) => void;
}

export class WireUpkeep {
  readonly #parts: UpkeepParts;
  #boot = 0;
  #account: CountsAccount = { told: undefined, missing: 0 };
  #counters: Readonly<Record<string, number>> | undefined;
  #countersAtMs = 0;
  /** Wall clock beside the monotonic one when it was told in this session. */
  #toldTime: { readonly offsetMs: number; readonly atMs: number } | undefined;
  /** Requests of this session that it does not know. */
  readonly #unknown = new Set<number>();

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** As the device told them last in this session. */
  get counters(): Readonly<Record<string, number>> | undefined {
    return this.#counters;
  }

  get told(): ToldCounts | undefined {
    return this.#account.told;
  }

  /** A session opened. `told`: of this boot, as the key file has it. */
  begin(boot: number, told: ToldCounts | undefined): void {
    if (boot !== this.#boot) this.#account = { told, missing: 0 };
    this.#boot = boot;
    this.#counters = undefined;
    this.#toldTime = undefined;
    this.#unknown.clear();
  }

  /** False when the session ended over it. Throws STORE_IO when what was told cannot be kept. */
  async turn(): Promise<boolean> {
    const { clock } = this.#parts;
    const isDue = this.#counters === undefined || clock.monotonicMs() - this.#countersAtMs >= COUNTERS_EVERY_MS;
    return (await this.#tellTime()) && (!isDue || (await this.#readCounters()));
  }

  /** Numbers of events were jumped over: first what the device says of it. As `turn`. */
  async jumped(numbers: number): Promise<boolean> {
    if (!(await this.#readCounters())) return false;
    await this.#take(jumped(this.#account, numbers));
    return true;
  }

  /** Not while nobody knows the time: a device that had one keeps it. */
  async #tellTime(): Promise<boolean> {
    const { clock, ask } = this.#parts;
    const nowMs = clock.monotonicMs();
    const wallMs = clock.wallMs();
    if (wallMs === undefined || this.#unknown.has(SEALED_TYPES.TIME)) return true;
    const offsetMs = wallMs - nowMs;
    const told = this.#toldTime;
    const isFresh = told !== undefined && nowMs - told.atMs < TIME_EVERY_MS;
    if (isFresh && Math.abs(offsetMs - told.offsetMs) < TIME_STEP_MS) return true;
    const answer = await ask(SEALED_TYPES.TIME, timeBody(wallMs));
    if (answer === undefined) return false;
    if (answer.type === SEALED_TYPES.TIMED) this.#toldTime = { offsetMs, atMs: nowMs };
    else this.#unknown.add(SEALED_TYPES.TIME);
    return true;
  }

  async #readCounters(): Promise<boolean> {
    if (this.#unknown.has(SEALED_TYPES.COUNTERS)) return true;
    const { ask, clock } = this.#parts;
    const answer = await ask(SEALED_TYPES.COUNTERS, new Uint8Array(0));
    if (answer === undefined) return false;
    this.#countersAtMs = clock.monotonicMs();
    if (answer.type !== SEALED_TYPES.COUNTED) {
      this.#unknown.add(SEALED_TYPES.COUNTERS);
      this.#counters = {};
      return true;
    }
    this.#counters = readCounted(answer.body);
    await this.#take(counted(this.#account, this.#counters));
    return true;
  }

  /** Tells, and keeps what was told, so that a restart of this gateway tells nothing twice. */
  async #take({ account, attacks, lost }: CountsFinding): Promise<void> {
    const before = JSON.stringify(this.#account.told);
    this.#account = account;
    const { attacked, missed, keyFile } = this.#parts;
    for (const what of attacks) attacked(what);
    if (lost > 0) missed(lost);
    const { told } = account;
    if (told === undefined || JSON.stringify(told) === before) return;
    const keys = await readDeviceKeys(keyFile);
    if (keys?.boot === this.#boot) await writeDeviceKeys(keyFile, { ...keys, told });
  }
}
