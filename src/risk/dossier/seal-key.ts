/**
 * The key that seals bundles: Ed25519, in a file of its own (`latchkey-bundles-key v1`), made at the first use. It signs one
 * kind of bytes: the DSSE PAE of a seal (FORMAT.md section 8).
 */
import { LatchkeyError } from '../../base/errors.ts';
import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { Bundle } from '../../evidence/verify/bundle.ts';
import { BUNDLE_SEAL_TYPE, sealed, sealPayload } from '../../evidence/verify/bundle-seal.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';

export interface SealKey {
  /** Type 0x01; verifiers name it as a maker in their policy. */
  readonly vkey: Vkey;
  /** `issued` is 24 characters, as in events. */
  seal(bundle: Bundle, issued: string): Bundle;
}

/** Made when the file is not there. Throws KEY_PERMISSIONS, KEY_LOST, or CONFIG_INVALID for the key of another name. */
export async function openSealKey(
  crypto: EvidenceCrypto,
  path: string,
  name: string,
): Promise<{ readonly key: SealKey; readonly made: boolean }> {
  if (!isKeyName(name) || parseOrigin(name).ok) {
    throw new LatchkeyError(
      'CONFIG_INVALID',
      'the name of the key that seals bundles is empty, a log, or holds a space or plus',
    );
  }
  const { publicKey, sign, made } = await openNamedKey({ path, name, kind: 'bundles' });
  const vkey = logVkey(crypto, name, publicKey);
  const seal = (bundle: Bundle, issued: string): Bundle => {
    const payload = sealPayload(crypto, bundle, issued);
    return sealed(bundle, payload, vkey, sign(pae(BUNDLE_SEAL_TYPE, payload)));
  };
  return { key: { vkey, seal }, made };
}
