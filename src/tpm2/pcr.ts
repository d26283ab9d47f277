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

export function writePcrSelections(writer: TpmWriter, selections: readonly PcrSelection[]): TpmWriter {
  writer.u32(selections.length);
  for (const { hashAlg, pcrs } of selections) {
    const bitmap = new Uint8Array(BITMAP_BYTES);
    for (const pcr of pcrs) {
      assert(Number.isInteger(pcr) && pcr >= 0 && pcr < 8 * BITMAP_BYTES, `${pcr} is no PCR`);
      bitmap[pcr >> 3] = (bitmap[pcr >> 3] ?? 0) | (1 << (pcr & 7));
    }
    writer.u16(hashAlg).u8(BITMAP_BYTES).raw(bitmap);
  }
  return writer;
}

/**
 * Undefined when a bank's hash is unknown or a count is beyond its bound; the reader may then stand anywhere. The
 * result may write back to other bytes (a bitmap of another size), so whoever hashes uses the bytes that were read.
 */
export function readPcrSelections(reader: TpmReader): readonly PcrSelection[] | undefined {
  const count = reader.u32();
  if (count > BANKS_MAX) return undefined;
  const selections: PcrSelection[] = [];
  for (let i = 0; i < count; i += 1) {
    const hashAlg = reader.u16();
    const bitmapBytes = reader.u8();
    const bitmap = reader.raw(Math.min(bitmapBytes, BITMAP_BYTES_MAX));
    if (!isHashAlg(hashAlg) || bitmapBytes > BITMAP_BYTES_MAX || reader.overrun) return undefined;
    const pcrs: number[] = [];
    for (let pcr = 0; pcr < 8 * bitmap.length; pcr += 1) {
      if (((bitmap[pcr >> 3] ?? 0) & (1 << (pcr & 7))) !== 0) pcrs.push(pcr);
    }
    selections.push({ hashAlg, pcrs });
  }
  return selections;
}
