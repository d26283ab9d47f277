/**
 * DSSE v1 pre-authentication encoding: what is signed instead of the bare payload, so that a signature over one type of
 * payload never is one over another (and never one over a checkpoint text, which begins with an origin).
 */
import { concatBytes, utf8 } from '../../base/bytes.ts';

/** `DSSEv1 <len(type)> <type> <len(payload)> <payload>`, lengths in bytes as decimal numbers. */
export function pae(type: string, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);
}
