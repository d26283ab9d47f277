/**
 * Bytes that only the holder of one X25519 key can read: for what a machine hands over and may not keep in the clear.
 *
 * A box is the sender's fresh public key (32 bytes), the ciphertext, and its tag (16 bytes): AES-256-GCM with a nonce of
 * zeros, since HKDF-SHA-256 (RFC 5869) makes the key of X25519's shared secret for this box alone; salt: both public keys,
 * info: "latchkey/sealed-box/v1" || 0x0A || context. The context says what the bytes are for, and must be known to open.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { concatBytes, utf8 } from '../base/bytes.ts';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE = new Uint8Array(12);
/** RFC 8410: SubjectPublicKeyInfo of an X25519 key, up to the key itself. */
const SPKI_PREFIX = Uint8Array.from(Buffer.from('302a300506032b656e032100', 'hex'));

/** Least size of a box. */
export const SEALED_BOX_BYTES_MIN = KEY_BYTES + TAG_BYTES + 1;

/** Undefined when `spki` is no X25519 SubjectPublicKeyInfo. */
export function sealedBoxKey(spki: Uint8Array): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'x25519' ? key : undefined;
  } catch {
    // OpenSSL throws for what is no key.
    return undefined;
  }
}

export function seal(recipient: KeyObject, context: string, bytes: Uint8Array): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const sender = rawOf(publicKey);
  const key = keyOf(diffieHellman({ privateKey, publicKey: recipient }), sender, rawOf(recipient), context);
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return concatBytes(sender, sealed, cipher.getAuthTag());
}

/** Undefined when it was sealed for another key or context, or a byte of it is another. */
export function openSealed(privateKey: KeyObject, context: string, box: Uint8Array): Uint8Array | undefined {
  if (box.length < SEALED_BOX_BYTES_MIN) return undefined;
  const sender = box.slice(0, KEY_BYTES);
  try {
    const publicKey = createPublicKey({
      key: Buffer.from(concatBytes(SPKI_PREFIX, sender)),
      format: 'der',
      type: 'spki',
    });
    const own = rawOf(createPublicKey(privateKey));
    const key = keyOf(diffieHellman({ privateKey, publicKey }), sender, own, context);
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(box.slice(-TAG_BYTES));
    const bytes = Buffer.concat([decipher.update(box.slice(KEY_BYTES, -TAG_BYTES)), decipher.final()]);
    return Uint8Array.from(bytes);
  } catch {
    // Node throws for a tag that does not fit, and for a point of small order.
    return undefined;
  }
}

function keyOf(shared: Uint8Array, sender: Uint8Array, recipient: Uint8Array, context: string): Uint8Array {
  const info = utf8(`latchkey/sealed-box/v1\n${context}`);
  return new Uint8Array(hkdfSync('sha256', shared, concatBytes(sender, recipient), info, 32));
}

function rawOf(publicKey: KeyObject): Uint8Array {
  return Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES));
}
