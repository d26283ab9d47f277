/** TPMS_NV_PUBLIC (TPM 2.0 Library, Part 2, section 13.5), the Name of an NV index, and the anchor's kind of counter. */
import { accept, type Result, refuse } from '../base/result.ts';
import { type HashAlg, handleType, isHashAlg, TPM_ALG, TPM_HT, TPMA_NV } from './algorithms.ts';
import type { TpmCrypto } from './crypto.ts';
import { nameOf } from './public.ts';
import { TpmReader, TpmWriter } from './wire.ts';

export interface NvPublic {
  readonly index: number;
  readonly nameAlg: HashAlg;
  /** TPMA_NV. The first write sets WRITTEN, and thereby changes the Name. */
  readonly attributes: number;
  readonly authPolicy: Uint8Array;
  readonly dataSizeBytes: number;
}

export type NvPublicReason = 'nv_public_truncated' | 'nv_public_index' | 'nv_public_name_alg';

export function parseNvPublic(bytes: Uint8Array): Result<NvPublic, NvPublicReason> {
  const reader = new TpmReader(bytes);
  const index = reader.u32();
  const nameAlg = reader.u16();
  const attributes = reader.u32();
  const authPolicy = reader.sized(64);
  const dataSizeBytes = reader.u16();
  if (!reader.ended) {
    return refuse('nv_public_truncated', `${bytes.length} bytes are not one public area of an NV index`);
  }
  if (handleType(index) !== TPM_HT.NV_INDEX) {
    return refuse('nv_public_index', `0x${index.toString(16)} is no NV index`);
  }
  if (!isHashAlg(nameAlg)) return refuse('nv_public_name_alg', `0x${nameAlg.toString(16)} is no known hash`);
  return accept({ index, nameAlg, attributes, authPolicy, dataSizeBytes });
}

export function writeNvPublic(area: NvPublic): Uint8Array {
  return new TpmWriter()
    .u32(area.index)
    .u16(area.nameAlg)
    .u32(area.attributes)
    .sized(area.authPolicy)
    .u16(area.dataSizeBytes)
    .bytes();
}

export function nvName(crypto: TpmCrypto, area: NvPublic): Uint8Array {
  return nameOf(crypto, area.nameAlg, writeNvPublic(area));
}

/** The same index after its first write. */
export function writtenNvPublic(area: NvPublic): NvPublic {
  return { ...area, attributes: (area.attributes | TPMA_NV.WRITTEN) >>> 0 };
}

/**
 * A monotonic counter that anyone may read and increment, and that is not orderly: an orderly one jumps at a power cut
 * and starts again at 1 after TPM2_Clear, so it could not serve against rollback.
 */
export function counterNvPublic(index: number): NvPublic {
  return {
    index,
    nameAlg: TPM_ALG.SHA256,
    attributes: TPMA_NV.AUTHWRITE | TPMA_NV.COUNTER | TPMA_NV.AUTHREAD | TPMA_NV.NO_DA,
    authPolicy: new Uint8Array(0),
    dataSizeBytes: 8,
  };
}
