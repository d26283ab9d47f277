/**
 * The receiver's own key, with which it cosigns what it has stored: an Ed25519 witness key (C2SP type 0x04) in a file
 * (platform/named-key-file.ts), made at the first start.
 *
 * It signs one kind of bytes: those that begin with `cosignature/v1\n`.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { cosignature, cosignatureMessage } from '../../evidence/log/cosignature.ts';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { type NoteSignature, type Vkey, witnessVkey } from '../../evidence/log/note.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';

export interface WitnessKey {
  readonly vkey: Vkey;
  /** The signature line over a checkpoint text at that time (POSIX seconds). */
  cosign(checkpointText: string, timestampS: number): NoteSignature;
}

/**
 * The key in that file, made when the file is not there (`made`). Throws KEY_PERMISSIONS when others may read it,
 * KEY_LOST when it holds no key, CONFIG_INVALID when it is the key of another name.
 */
export async function openWitnessKey(
  crypto: EvidenceCrypto,
  path: string,
  name: string,
): Promise<{ readonly key: WitnessKey; readonly made: boolean }> {
  if (!isKeyName(name)) throw new LatchkeyError('CONFIG_INVALID', 'the witness name is empty or holds a space or plus');
  const { publicKey, sign, made } = await openNamedKey({ path, name, kind: 'witness' });
  const vkey = witnessVkey(crypto, name, publicKey);
  const key: WitnessKey = {
    vkey,
    cosign: (text, timestampS) => cosignature(vkey, timestampS, sign(cosignatureMessage(text, timestampS))),
  };
  return { key, made };
}
