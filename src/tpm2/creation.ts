/** TPMS_CREATION_DATA (TPM 2.0 Library, Part 2, section 15.1): what a TPM states about an object's birth. */
import { accept, type Result, refuse } from '../base/result.ts';
import { type PcrSelection, readPcrSelections, writePcrSelections } from './pcr.ts';
import { TpmReader, TpmWriter } from './wire.ts';

export interface CreationData {
  readonly pcrSelections: readonly PcrSelection[];
  readonly pcrDigest: Uint8Array;
  readonly locality: number;
  readonly parentNameAlg: number;
  readonly parentName: Uint8Array;
  readonly parentQualifiedName: Uint8Array;
  readonly outsideInfo: Uint8Array;
}

export type CreationReason = 'creation_truncated' | 'creation_pcrs';

/** Hash the received bytes for the creation hash, not a structure that was written anew. */
export function parseCreationData(bytes: Uint8Array): Result<CreationData, CreationReason> {
  const reader = new TpmReader(bytes);
  const pcrSelections = readPcrSelections(reader);
  if (pcrSelections === undefined) return refuse('creation_pcrs', 'the PCR selection is not one that is known');
  const value: CreationData = {
    pcrSelections,
    pcrDigest: reader.sized(64),
    locality: reader.u8(),
    parentNameAlg: reader.u16(),
    parentName: reader.sized(66),
    parentQualifiedName: reader.sized(66),
    outsideInfo: reader.sized(128),
  };
  if (!reader.ended) return refuse('creation_truncated', `${bytes.length} bytes are not one creation data`);
  return accept(value);
}

export function writeCreationData(data: CreationData): Uint8Array {
  return writePcrSelections(new TpmWriter(), data.pcrSelections)
    .sized(data.pcrDigest)
    .u8(data.locality)
    .u16(data.parentNameAlg)
    .sized(data.parentName)
    .sized(data.parentQualifiedName)
    .sized(data.outsideInfo)
    .bytes();
}
