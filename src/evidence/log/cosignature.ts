/**
 * Witness cosignatures: C2SP tlog-cosignature, Ed25519 (`cosignature/v1`, signature type 0x04).
 */
import { assert } from '../../base/assert.ts';
import { concatBytes, uint64be, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { type Note, type NoteSignature, SIGNATURE_BYTES, signaturesOf, type Vkey } from './note.ts';

const TIMESTAMP_BYTES = 8;

/** What a witness signs: a header line, its time in POSIX seconds, and the whole checkpoint text. */
export function cosignatureMessage(checkpointText: string, timestampS: number): Uint8Array {
  assert(Number.isSafeInteger(timestampS) && timestampS >= 0, `timestamp ${timestampS}`);
  return utf8(`cosignature/v1\ntime ${timestampS}\n${checkpointText}`);
}

/** The signature line of a signature over `cosignatureMessage`. */
export function cosignature(vkey: Vkey, timestampS: number, signature: Uint8Array): NoteSignature {
  assert(vkey.type === 4, 'a cosignature is made by a witness key');
  assert(signature.length === SIGNATURE_BYTES, `a signature of ${signature.length} bytes`);
  return { name: vkey.name, keyId: vkey.keyId, signature: concatBytes(uint64be(timestampS), signature) };
}

/** Every line of this witness must verify; the answer has the newest time. */
export function verifyCosignature(
  crypto: EvidenceCrypto,
  note: Note,
  vkey: Vkey,
): Result<{ readonly timestampS: number }, 'unsigned' | 'signature'> {
  const own = vkey.type === 4 ? signaturesOf(note, vkey) : [];
  if (own.length === 0) return refuse('unsigned', 'no cosignature of this witness');
  let newestS = 0;
  for (const line of own) {
    if (line.signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) {
      return refuse('signature', `expected ${TIMESTAMP_BYTES + SIGNATURE_BYTES} bytes, found ${line.signature.length}`);
    }
    const timestampS = Number(new DataView(line.signature.buffer, line.signature.byteOffset).getBigUint64(0));
    if (!Number.isSafeInteger(timestampS)) return refuse('signature', 'the time is beyond 2^53 - 1 seconds');
    const message = cosignatureMessage(note.text, timestampS);
    if (!crypto.verifyEd25519(vkey.publicKey, message, line.signature.subarray(TIMESTAMP_BYTES))) {
      return refuse('signature', "the witness's cosignature does not verify");
    }
    newestS = Math.max(newestS, timestampS);
  }
  return accept({ timestampS: newestS });
}
