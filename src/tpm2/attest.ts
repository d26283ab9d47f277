/**
 * TPMS_ATTEST: what a TPM says about itself, and what an attestation key signs (TPM 2.0 Library, Part 2, 10.12).
 *
 * A restricted key signs nothing else that begins with the magic, so "magic, and a restricted key's signature" is the
 * whole guarantee; a verifier checks both, and that the type is the one it asked for.
 */
import { assert, unreachable } from '../base/assert.ts';
import { accept, type Result, refuse } from '../base/result.ts';
import { type PcrBank, readPcrBanks, writePcrBanks } from './pcr.ts';
import { TpmReader, TpmWriter } from './wire.ts';

/** 0xff, then "TCG". */
export const TPM_GENERATED_VALUE = 0xff544347;

/** TPMI_ST_ATTEST, Part 2, 6.9. */
export const ATTEST_TYPES = { nv: 0x8014, certify: 0x8017, quote: 0x8018, time: 0x8019, creation: 0x801a } as const;

const ATTEST_BYTES_MAX = 1_024;
const NAME_BYTES_MAX = 66;
const DATA_BYTES_MAX = 66;
const NV_BYTES_MAX = 2_048;

/** TPMS_CLOCK_INFO. `clock` counts milliseconds while powered and can be pushed forward by the owner. */
export interface ClockInfo {
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  /** False after power was lost without TPM2_Shutdown, until the clock passed its last stored value. */
  readonly safe: boolean;
}

export type AttestBody =
  | {
      readonly kind: 'nv';
      readonly indexName: Uint8Array;
      readonly offset: number;
      readonly contents: Uint8Array;
    }
  | { readonly kind: 'quote'; readonly selections: readonly PcrBank[]; readonly pcrDigest: Uint8Array }
  | { readonly kind: 'certify'; readonly name: Uint8Array; readonly qualifiedName: Uint8Array }
  | { readonly kind: 'creation'; readonly objectName: Uint8Array; readonly creationHash: Uint8Array }
  /** `time` counts milliseconds since power came; nobody can set it. */
  | { readonly kind: 'time'; readonly time: bigint; readonly clockInfo: ClockInfo; readonly firmwareVersion: bigint };

export interface Attest {
  /** Qualified Name of the key that signs. */
  readonly qualifiedSigner: Uint8Array;
  readonly extraData: Uint8Array;
  readonly clockInfo: ClockInfo;
  readonly firmwareVersion: bigint;
  readonly body: AttestBody;
}

export type AttestRefusal =
  /** It does not begin with TPM_GENERATED_VALUE: no TPM made these bytes. */
  | 'magic'
  /** None of the types that this parser knows. */
  | 'type'
  /** Cut short, bytes after the end, a size above its limit, or a flag that is neither 0 nor 1. */
  | 'structure';

/** To the last byte. The bytes that were signed are the ones given. */
export function parseAttest(bytes: Uint8Array): Result<Attest, AttestRefusal> {
  if (bytes.length > ATTEST_BYTES_MAX) return refuse('structure', `expected at most ${ATTEST_BYTES_MAX} bytes`);
  const reader = new TpmReader(bytes);
  const magic = reader.u32();
  if (reader.overrun || magic !== TPM_GENERATED_VALUE) {
    return refuse('magic', `expected ff544347, found ${magic.toString(16).padStart(8, '0')}`);
  }
  const type = reader.u16();
  const qualifiedSigner = reader.sized(NAME_BYTES_MAX);
  const extraData = reader.sized(DATA_BYTES_MAX);
  const flags: number[] = [];
  const clockInfo = readClockInfo(reader, flags);
  const firmwareVersion = reader.u64();
  const body = readBody(reader, type, flags);
  if (body === undefined) return refuse('type', `0x${type.toString(16)} is no attestation that is known here`);
  if (!reader.ended) return refuse('structure', 'cut short, too long a field, or bytes after the end');
  if (flags.some((flag) => flag > 1)) return refuse('structure', '`safe` is neither 0 nor 1');
  return accept({ qualifiedSigner, extraData, clockInfo, firmwareVersion, body });
}

/** The bytes of an attestation, for tests and simulators. */
export function formatAttest(attest: Attest): Uint8Array {
  const writer = new TpmWriter()
    .u32(TPM_GENERATED_VALUE)
    .u16(ATTEST_TYPES[attest.body.kind])
    .sized(attest.qualifiedSigner)
    .sized(attest.extraData);
  writeClockInfo(writer, attest.clockInfo).u64(attest.firmwareVersion);
  writeBody(writer, attest.body);
  const bytes = writer.bytes();
  assert(bytes.length <= ATTEST_BYTES_MAX, `an attestation of ${bytes.length} bytes`);
  return bytes;
}

function readBody(reader: TpmReader, type: number, flags: number[]): AttestBody | undefined {
  switch (type) {
    case ATTEST_TYPES.nv: {
      const indexName = reader.sized(NAME_BYTES_MAX);
      const offset = reader.u16();
      return { kind: 'nv', indexName, offset, contents: reader.sized(NV_BYTES_MAX) };
    }
    case ATTEST_TYPES.quote:
      return { kind: 'quote', selections: readBanks(reader), pcrDigest: reader.sized(DATA_BYTES_MAX) };
    case ATTEST_TYPES.certify:
      return { kind: 'certify', name: reader.sized(NAME_BYTES_MAX), qualifiedName: reader.sized(NAME_BYTES_MAX) };
    case ATTEST_TYPES.creation:
      return { kind: 'creation', objectName: reader.sized(NAME_BYTES_MAX), creationHash: reader.sized(DATA_BYTES_MAX) };
    case ATTEST_TYPES.time: {
      const time = reader.u64();
      const clockInfo = readClockInfo(reader, flags);
      return { kind: 'time', time, clockInfo, firmwareVersion: reader.u64() };
    }
    default:
      return undefined;
  }
}

function writeBody(writer: TpmWriter, body: AttestBody): TpmWriter {
  switch (body.kind) {
    case 'nv':
      return writer.sized(body.indexName).u16(body.offset).sized(body.contents);
    case 'quote':
      return writePcrBanks(writer, body.selections).sized(body.pcrDigest);
    case 'certify':
      return writer.sized(body.name).sized(body.qualifiedName);
    case 'creation':
      return writer.sized(body.objectName).sized(body.creationHash);
    case 'time':
      return writeClockInfo(writer.u64(body.time), body.clockInfo).u64(body.firmwareVersion);
    default:
      return unreachable(body);
  }
}

function readClockInfo(reader: TpmReader, flags: number[]): ClockInfo {
  const clock = reader.u64();
  const resetCount = reader.u32();
  const restartCount = reader.u32();
  const safe = reader.u8();
  flags.push(safe);
  return { clock, resetCount, restartCount, safe: safe === 1 };
}

function writeClockInfo(writer: TpmWriter, info: ClockInfo): TpmWriter {
  return writer
    .u64(info.clock)
    .u32(info.resetCount)
    .u32(info.restartCount)
    .u8(info.safe ? 1 : 0);
}

/** Past a limit the reader is run out, so that the caller refuses. */
function readBanks(reader: TpmReader): readonly PcrBank[] {
  const banks = readPcrBanks(reader);
  if (banks === undefined) reader.raw(reader.left + 1);
  return banks ?? [];
}
