/**
 * The cryptography of the open wire as a slot: this folder imports nothing, so whoever uses it puts in what its platform
 * has (PROTOCOL.md sections 3 and 4).
 */
import { ascii, join, put32, same } from './bytes.ts';

export interface WireCrypto {
  /** CMAC-AES-128 (RFC 4493): 16 bytes. */
  cmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** AES-128-CCM (RFC 3610) with a 13-byte nonce: text of the same size, then the 8-byte tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;
  /** The plain text, or undefined when the tag is false. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array, tag: Uint8Array): Uint8Array | undefined;
}

export const KEY_BYTES = 16;
export const IDENTITY_BYTES = 8;
const NO_CONTEXT = new Uint8Array(0);

/** SP 800-108 in counter mode, one block. */
export function deriveKey(
  crypto: WireCrypto,
  key: Uint8Array,
  label: string,
  context: Uint8Array = NO_CONTEXT,
): Uint8Array {
  const input = join(Uint8Array.of(0, 0, 0, 1), ascii(label), Uint8Array.of(0), context, Uint8Array.of(0, 0, 0, 0x80));
  return crypto.cmac(key, input);
}

export function deviceMac(crypto: WireCrypto, key: Uint8Array, transcript: Uint8Array): Uint8Array {
  return crypto.cmac(deriveKey(crypto, key, 'lkw1 auth'), join(Uint8Array.of(1), transcript));
}

export function gatewayMac(
  crypto: WireCrypto,
  key: Uint8Array,
  transcript: Uint8Array,
  macOfDevice: Uint8Array,
): Uint8Array {
  return crypto.cmac(deriveKey(crypto, key, 'lkw1 auth'), join(Uint8Array.of(2), transcript, macOfDevice));
}

export interface SessionKeys {
  readonly fromGateway: Uint8Array;
  readonly fromDevice: Uint8Array;
  /** 16 bytes that name the session. */
  readonly id: Uint8Array;
}

export function sessionKeys(crypto: WireCrypto, key: Uint8Array, transcript: Uint8Array): SessionKeys {
  return {
    fromGateway: deriveKey(crypto, key, 'lkw1 g2d', transcript),
    fromDevice: deriveKey(crypto, key, 'lkw1 d2g', transcript),
    id: deriveKey(crypto, key, 'lkw1 session', transcript),
  };
}

export function nonceOf(fromDevice: boolean, number: number): Uint8Array {
  return join(Uint8Array.of(fromDevice ? 1 : 0), put32(number), new Uint8Array(8));
}

export interface Measurement {
  readonly identity: Uint8Array;
  readonly boot: number;
  /** 16 bytes, drawn by whoever asked. */
  readonly nonce: Uint8Array;
  /** SHA-256 of the firmware. */
  readonly digest: Uint8Array;
  readonly mac: Uint8Array;
}

/** Whether the report was made with the device's key (PROTOCOL.md section 10). */
export function isMeasuredBy(crypto: WireCrypto, key: Uint8Array, measurement: Measurement): boolean {
  const { identity, boot, nonce, digest, mac } = measurement;
  const input = join(ascii('lkw1 measured'), identity, put32(boot), nonce, Uint8Array.of(1), digest);
  return same(crypto.cmac(deriveKey(crypto, key, 'lkw1 attest', identity), input), mac);
}
