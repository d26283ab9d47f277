/** An access code, sealed for one gateway and one credential: what `grant` carries instead of the code. */
import { base64url, concatBytes, utf8 } from '../../base/bytes.ts';
import type { SecretText } from '../../base/secret-text.ts';
import { grantContext } from '../../evidence/wire/access-args.ts';
import { seal, sealedBoxKey } from '../../platform/sealed-box.ts';

export interface SealFor {
  readonly gateway: string;
  /** `access_key` of its `gateway.started`: raw X25519, 32 bytes. */
  readonly accessKey: Uint8Array;
  /** base64url of 16 bytes. */
  readonly credential: string;
}

/** RFC 8410: SubjectPublicKeyInfo of an X25519 key, up to the key itself. */
const SPKI_PREFIX = Uint8Array.from(Buffer.from('302a300506032b656e032100', 'hex'));
const KEY_BYTES = 32;

/** Undefined when the key is none. */
export function sealCode({ accessKey, credential, gateway }: SealFor, code: SecretText): string | undefined {
  const key = accessKey.length === KEY_BYTES ? sealedBoxKey(concatBytes(SPKI_PREFIX, accessKey)) : undefined;
  return key && base64url(seal(key, grantContext(gateway, credential), utf8(code.reveal())));
}
