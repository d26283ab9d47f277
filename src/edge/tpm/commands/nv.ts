/** NV indices and counters (TPM 2.0 Library, Part 3, section 31). */
import { concatBytes, equalBytes, hex } from '../../../base/bytes.ts';
import { type NvPublic, parseNvPublic, writeNvPublic } from '../../../tpm2/nv-public.ts';
import { nameOf } from '../../../tpm2/public.ts';
import { TpmReader, TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import { NO_AUTH, type Secret } from '../secret.ts';
import type { Tpm } from '../unit.ts';

export interface NvIndex extends Entity {
  readonly area: NvPublic;
}

/** Every TPM reads that many bytes at once (TPM_PT_NV_BUFFER_MAX is 1,024 or more on PC client chips, 512 on old ones). */
const CHUNK_BYTES = 512;

export async function NV_DefineSpace(tpm: Tpm, owner: Entity, area: NvPublic, auth: Secret = NO_AUTH): Promise<void> {
  tpm.assertEncrypting(auth);
  const parameters = new TpmWriter().sized(auth.reveal()).sized(writeNvPublic(area)).bytes();
  await tpm.call({ command: 'NV_DefineSpace', handles: [owner], parameters });
}

export async function NV_UndefineSpace(tpm: Tpm, owner: Entity, index: Entity): Promise<void> {
  await tpm.call({ command: 'NV_UndefineSpace', handles: [owner, index] });
}

/** As ReadPublic: the Name is computed, and in a protected unit asked for again under the session. */
export async function NV_ReadPublic(tpm: Tpm, handle: number, expectedName?: Uint8Array): Promise<NvIndex> {
  const bare =
    expectedName === undefined ? await askNvPublic(tpm, { handle, name: new Uint8Array(0) }, false) : undefined;
  if (bare !== undefined && tpm.session === undefined) return bare;
  const first = expectedName ?? bare?.name ?? new Uint8Array(0);
  const found = await askNvPublic(tpm, { handle, name: first }, true);
  if (!equalBytes(found.name, first)) {
    const names = `${hex(found.name)}; expected ${hex(first)}`;
    tpm.distrust('response_name', `the NV index 0x${handle.toString(16)} has the Name ${names}`);
  }
  return found;
}

async function askNvPublic(tpm: Tpm, index: Entity, inSession: boolean): Promise<NvIndex> {
  const call = { command: 'NV_ReadPublic', handles: [index] } as const;
  const answer = inSession ? await tpm.call(call) : await tpm.callBare(call);
  const found = tpm.read('NV_ReadPublic', answer.parameters, (reader) => ({
    area: reader.sized(),
    name: reader.sized(66),
  }));
  const area = tpm.accepted('NV_ReadPublic', parseNvPublic(found.area));
  if (area.index !== index.handle || !equalBytes(nameOf(tpm.crypto, area.nameAlg, found.area), found.name)) {
    tpm.distrust('response_name', 'NV_ReadPublic gave another index, or a Name that is not that of its public area');
  }
  return { handle: index.handle, name: found.name, area };
}

/** A piece of at most 1,024 bytes. `authorisation`: who may read, the index itself or the owner. */
export async function NV_Read(
  tpm: Tpm,
  authorisation: Entity,
  index: Entity,
  range: { readonly sizeBytes: number; readonly offsetBytes?: number },
): Promise<Uint8Array> {
  const parameters = new TpmWriter()
    .u16(range.sizeBytes)
    .u16(range.offsetBytes ?? 0)
    .bytes();
  const answer = await tpm.call({ command: 'NV_Read', handles: [authorisation, index], parameters });
  const data = tpm.read('NV_Read', answer.parameters, (reader) => reader.sized());
  if (data.length !== range.sizeBytes) {
    tpm.distrust('response_fields', `NV_Read gave ${data.length} bytes; expected ${range.sizeBytes}`);
  }
  return data;
}

/** The whole content, piece by piece: an EK certificate, for example. */
export async function nvReadAll(tpm: Tpm, authorisation: Entity, index: NvIndex): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let offsetBytes = 0; offsetBytes < index.area.dataSizeBytes; offsetBytes += CHUNK_BYTES) {
    const sizeBytes = Math.min(CHUNK_BYTES, index.area.dataSizeBytes - offsetBytes);
    pieces.push(await NV_Read(tpm, authorisation, index, { sizeBytes, offsetBytes }));
  }
  return concatBytes(...pieces);
}

/** A counter's value. Refused with NV_UNINITIALIZED before its first increment. */
export async function nvReadCounter(tpm: Tpm, authorisation: Entity, index: Entity): Promise<bigint> {
  return new TpmReader(await NV_Read(tpm, authorisation, index, { sizeBytes: 8 })).u64();
}

/** The first one sets WRITTEN, and so changes the index's Name: `writtenNvPublic`. */
export async function NV_Increment(tpm: Tpm, authorisation: Entity, index: Entity): Promise<void> {
  await tpm.call({ command: 'NV_Increment', handles: [authorisation, index] });
}
