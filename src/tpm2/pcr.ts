/** TPML_PCR_SELECTION (TPM 2.0 Library, Part 2, sections 10.6.1 and 10.9.7). */
import { assert } from '../base/assert.ts';
import { type HashAlg, isHashAlg } from './algorithms.ts';
import type { TpmReader, TpmWriter } from './wire.ts';

/** PCRs of one bank, in rising order. */
export interface PcrSelection {
  readonly hashAlg: HashAlg;
  readonly pcrs: readonly number[];
}

/** Platforms have 24 PCRs, a bitmap of 3 bytes; the structure allows 32. */
const BITMAP_BYTES = 3;
const BITMAP_BYTES_MAX = 4;
const BANKS_MAX = 16;

/** One bank of TPML_PCR_SELECTION as it is spelled: bit i of byte i >> 3 selects PCR i. Any hash, also an unknown one. */
export interface PcrBank {
  readonly hash: number;
  readonly bitmap: Uint8Array;
}

export function writePcrBanks(writer: TpmWriter, banks: readonly PcrBank[]): TpmWriter {
  writer.u32(banks.length);
  for (const { hash, bitmap } of banks) writer.u16(hash).u8(bitmap.length).raw(bitmap);
  return writer;
}

/** Undefined when a count is beyond its bound or the bytes end; the reader may then stand anywhere. */
export function readPcrBanks(reader: TpmReader): readonly PcrBank[] | undefined {
  const count = reader.u32();
  if (count > BANKS_MAX) return undefined;
  const banks: PcrBank[] = [];
  for (let i = 0; i < count; i += 1) {
    const hash = reader.u16();
    const bitmapBytes = reader.u8();
    if (bitmapBytes > BITMAP_BYTES_MAX) return undefined;
    banks.push({ hash, bitmap: reader.raw(bitmapBytes) });
    if (reader.overrun) return undefined;
  }
  return banks;
}

export function writePcrSelections(writer: TpmWriter, selections: readonly PcrSelection[]): TpmWriter {
  const banks = selections.map(({ hashAlg, pcrs }) => {
    const bitmap = new Uint8Array(BITMAP_BYTES);
    for (const pcr of pcrs) {
      assert(Number.isInteger(pcr) && pcr >= 0 && pcr < 8 * BITMAP_BYTES, `${pcr} is no PCR`);
      bitmap[pcr >> 3] = (bitmap[pcr >> 3] ?? 0) | (1 << (pcr & 7));
    }
    return { hash: hashAlg, bitmap };
  });
  return writePcrBanks(writer, banks);
}

/**
 * Undefined when a bank's hash is unknown or a count is beyond its bound; the reader may then stand anywhere. The
 * result may write back to other bytes (a bitmap of another size), so whoever hashes uses the bytes that were read.
 */
export function readPcrSelections(reader: TpmReader): readonly PcrSelection[] | undefined {
  const banks = readPcrBanks(reader);
  if (banks === undefined) return undefined;
  const selections: PcrSelection[] = [];
  for (const { hash, bitmap } of banks) {
    if (!isHashAlg(hash)) return undefined;
    const pcrs: number[] = [];
    for (let pcr = 0; pcr < 8 * bitmap.length; pcr += 1) {
      if (((bitmap[pcr >> 3] ?? 0) & (1 << (pcr & 7))) !== 0) pcrs.push(pcr);
    }
    selections.push({ hashAlg: hash, pcrs });
  }
  return selections;
}
