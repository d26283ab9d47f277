/**
 * The Ed25519 keys of service tokens: one that signs, and the one before it, whose tokens still count until its file is
 * taken away. Whoever takes both away has revoked every token.
 */
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CryptoKey, importJWK } from 'jose';
import { base64url, hex, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { syncDirectory } from '../../platform/durable-file.ts';
import { type NamedKey, openNamedKey } from '../../platform/named-key-file.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';

const KIND = 'token';

export class TokenKeys {
  readonly name: string;
  readonly kid: string;
  /** The file was not there. */
  readonly made: boolean;
  readonly #signing: NamedKey;
  readonly #verifying: ReadonlyMap<string, CryptoKey>;

  private constructor(name: string, signing: NamedKey, verifying: ReadonlyMap<string, CryptoKey>) {
    this.name = name;
    this.kid = kidOf(signing.publicKey);
    this.made = signing.made;
    this.#signing = signing;
    this.#verifying = verifying;
  }

  /** Makes the key when there is none. Rejects as `openNamedKey` does. */
  static async open(path: string, name: string): Promise<TokenKeys> {
    const signing = await openNamedKey({ path, name, kind: KIND });
    const previous = previousOf(path);
    const keys = [signing];
    if (await exists(previous)) keys.push(await openNamedKey({ path: previous, name, kind: KIND }));
    const verifying = new Map<string, CryptoKey>();
    for (const { publicKey } of keys) verifying.set(kidOf(publicKey), await importKey(publicKey));
    return new TokenKeys(name, signing, verifying);
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#signing.sign(message);
  }

  /** Undefined for a key that does not count, or no longer. */
  keyOf(kid: string): CryptoKey | undefined {
    return this.#verifying.get(kid);
  }

  get kids(): readonly string[] {
    return [...this.#verifying.keys()];
  }
}

/** Makes a new key; tokens of the present one count until the key after the next, or until its file is taken away. */
export async function rotateTokenKey(path: string, name: string): Promise<TokenKeys> {
  await openNamedKey({ path, name, kind: KIND });
  try {
    await rename(path, previousOf(path));
    await syncDirectory(dirname(path));
  } catch (error) {
    throw new LatchkeyError('STORE_IO', `cannot set the key ${path} aside: ${messageOf(error)}`, { cause: error });
  }
  return TokenKeys.open(path, name);
}

/** Tokens of the key before this one count no longer, once the service read its keys again. */
export async function forgetPreviousKey(path: string): Promise<void> {
  await rm(previousOf(path), { force: true });
  await syncDirectory(dirname(path));
}

function previousOf(path: string): string {
  return `${path}.previous`;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function kidOf(publicKey: Uint8Array): string {
  return hex(nodeCrypto.sha256(publicKey)).slice(0, 16);
}

async function importKey(publicKey: Uint8Array): Promise<CryptoKey> {
  const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: base64url(publicKey) }, 'EdDSA');
  if (key instanceof Uint8Array) throw new LatchkeyError('INTERNAL', 'an Ed25519 key became a secret');
  return key;
}

/** JSON as base64url, for the parts of a token. */
export function jsonPart(value: object): string {
  return base64url(utf8(JSON.stringify(value)));
}
