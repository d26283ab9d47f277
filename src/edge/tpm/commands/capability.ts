/** TPM2_Startup, Shutdown, GetCapability, GetRandom, ReadClock, ClockSet (Part 3, sections 9, 16, 29, 30). */
import { concatBytes } from '../../../base/bytes.ts';
import { type PcrSelection, readPcrSelections } from '../../../tpm2/pcr.ts';
import { type TpmReader, TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import { TpmRefusedError } from '../errors.ts';
import type { Tpm } from '../unit.ts';

/** TPM_SU: after a power cut 'clear'; 'state' resumes what Shutdown('state') kept. */
export type StartupType = 'clear' | 'state';

const TPM_SU = { clear: 0, state: 1 } as const;
const TPM_RC_INITIALIZE = 0x100;

/** False when the TPM had been started already, which is usual: firmware or the kernel does it. */
export async function Startup(tpm: Tpm, type: StartupType): Promise<boolean> {
  try {
    await tpm.call({ command: 'Startup', parameters: new TpmWriter().u16(TPM_SU[type]).bytes() });
    return true;
  } catch (error) {
    if (error instanceof TpmRefusedError && error.rc.code === TPM_RC_INITIALIZE) return false;
    throw error;
  }
}

/** Makes the TPM ready for its power to go: the clock stays safe, orderly counters exact. */
export async function Shutdown(tpm: Tpm, type: StartupType): Promise<void> {
  await tpm.call({ command: 'Shutdown', parameters: new TpmWriter().u16(TPM_SU[type]).bytes() });
}

/** TPM_CAP. */
const CAP = { handles: 1, pcrs: 5, properties: 6 } as const;

/** TPM_PT, Part 2 section 6.13: some of them. */
export const TPM_PT = {
  MANUFACTURER: 0x105,
  VENDOR_STRING_1: 0x106,
  VENDOR_STRING_4: 0x109,
  FIRMWARE_VERSION_1: 0x10b,
  FIRMWARE_VERSION_2: 0x10c,
  ORDERLY_COUNT: 0x11d,
  MAX_COMMAND_SIZE: 0x11e,
  MAX_RESPONSE_SIZE: 0x11f,
  NV_BUFFER_MAX: 0x12c,
  PERMANENT: 0x200,
  STARTUP_CLEAR: 0x201,
  LOCKOUT_COUNTER: 0x20e,
  MAX_AUTH_FAIL: 0x20f,
  LOCKOUT_INTERVAL: 0x210,
  LOCKOUT_RECOVERY: 0x211,
} as const;

const PROPERTIES_MAX = 127;
const HANDLES_MAX = 254;
/** More NV indices and keys than any TPM has room for. */
const HANDLES_TOTAL_MAX = 4_096;

/** One answer of TPM2_GetCapability: its list as `parse` reads it, and whether there is more. */
export async function GetCapability<T>(
  tpm: Tpm,
  capability: number,
  property: number,
  count: number,
  parse: (reader: TpmReader) => T,
): Promise<{ readonly more: boolean; readonly value: T }> {
  const parameters = new TpmWriter().u32(capability).u32(property).u32(count).bytes();
  const answer = await tpm.call({ command: 'GetCapability', parameters });
  return tpm.read('GetCapability', answer.parameters, (reader) => {
    const more = reader.u8() !== 0;
    const found = reader.u32();
    if (found !== capability)
      tpm.distrust('response_fields', `GetCapability answered about ${found}, not ${capability}`);
    return { more, value: parse(reader) };
  });
}

/** Up to 127 properties from `first` on, by number. */
export async function getProperties(
  tpm: Tpm,
  first: number,
  count = PROPERTIES_MAX,
): Promise<ReadonlyMap<number, number>> {
  const { value } = await GetCapability(tpm, CAP.properties, first, count, (reader) => {
    const found = new Map<number, number>();
    for (let n = Math.min(reader.u32(), PROPERTIES_MAX); n > 0; n -= 1) found.set(reader.u32(), reader.u32());
    return found;
  });
  return value;
}

/** TPMA_PERMANENT, Part 2 section 8.6: what is set in this TPM for good, or until it is cleared. */
export interface PermanentState {
  readonly ownerAuthSet: boolean;
  readonly endorsementAuthSet: boolean;
  readonly lockoutAuthSet: boolean;
  readonly disableClear: boolean;
  readonly inLockout: boolean;
}

export async function getPermanent(tpm: Tpm): Promise<PermanentState> {
  const bits = (await getProperties(tpm, TPM_PT.PERMANENT, 1)).get(TPM_PT.PERMANENT);
  if (bits === undefined) tpm.distrust('response_fields', 'GetCapability does not give TPM_PT_PERMANENT');
  const isSet = (bit: number): boolean => (bits & (1 << bit)) !== 0;
  return {
    ownerAuthSet: isSet(0),
    endorsementAuthSet: isSet(1),
    lockoutAuthSet: isSet(2),
    disableClear: isSet(8),
    inLockout: isSet(9),
  };
}

/** All handles of a type (TPM_HT): loaded objects, sessions, persistent objects, NV indices, PCRs. */
export async function getHandles(tpm: Tpm, type: number): Promise<readonly number[]> {
  const handles: number[] = [];
  for (let from = type * 0x100_0000; ; ) {
    const { more, value } = await GetCapability(tpm, CAP.handles, from, HANDLES_MAX, (reader) => {
      const found: number[] = [];
      for (let n = Math.min(reader.u32(), HANDLES_MAX); n > 0; n -= 1) found.push(reader.u32());
      return found;
    });
    handles.push(...value);
    const last = value.at(-1);
    if (!more || last === undefined) return handles;
    if (last < from || handles.length > HANDLES_TOTAL_MAX) {
      tpm.distrust('response_fields', 'GetCapability lists handles without an end');
    }
    from = last + 1;
  }
}

/** The PCR banks that are in use, with their PCRs. */
export async function getPcrBanks(tpm: Tpm): Promise<readonly PcrSelection[]> {
  const { value } = await GetCapability(tpm, CAP.pcrs, 0, 1, readPcrSelections);
  if (value === undefined) tpm.distrust('response_fields', 'GetCapability lists PCR banks of an unknown kind');
  return value.filter((bank) => bank.pcrs.length > 0);
}

const RANDOM_BYTES_MAX = 32;

/** The TPM gives a digest's size at most at a time, and may give less. */
export async function GetRandom(tpm: Tpm, sizeBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let left = sizeBytes; left > 0; ) {
    const wanted = Math.min(left, RANDOM_BYTES_MAX);
    const answer = await tpm.call({ command: 'GetRandom', parameters: new TpmWriter().u16(wanted).bytes() });
    const piece = tpm.read('GetRandom', answer.parameters, (reader) => reader.sized(wanted));
    if (piece.length === 0) tpm.distrust('response_fields', 'GetRandom gave nothing');
    pieces.push(piece);
    left -= piece.length;
  }
  return concatBytes(...pieces);
}

export interface TpmClock {
  /** Milliseconds since the TPM was powered or reset; nobody can set it. */
  readonly timeMs: bigint;
  /** Milliseconds powered, ever; can be set forward. */
  readonly clockMs: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  /** False: the clock may have lost a little at the last power cut. */
  readonly safe: boolean;
}

export async function ReadClock(tpm: Tpm): Promise<TpmClock> {
  const answer = await tpm.call({ command: 'ReadClock' });
  return tpm.read('ReadClock', answer.parameters, (reader) => ({
    timeMs: reader.u64(),
    clockMs: reader.u64(),
    resetCount: reader.u32(),
    restartCount: reader.u32(),
    safe: reader.u8() === 1,
  }));
}

/** Forward only. `owner` is the owner hierarchy. */
export async function ClockSet(tpm: Tpm, owner: Entity, clockMs: bigint): Promise<void> {
  await tpm.call({ command: 'ClockSet', handles: [owner], parameters: new TpmWriter().u64(clockMs).bytes() });
}
