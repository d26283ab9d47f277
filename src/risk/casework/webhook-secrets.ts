/**
 * The secrets that sign what leaves, as Standard Webhooks writes them, each in a file of one line with mode 0600:
 * `whsec_` and the base64 of 24 to 64 bytes for HMAC-SHA256 (v1), or `whsk_` and the base64 of a 32-byte seed for Ed25519
 * (v1a). They are in no database, and in no message and no log line.
 */
import { createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';

/** Makes one signature, with its version in front. */
export type WebhookSigner = (message: Uint8Array) => string;

const FILE_BYTES_MAX = 1_024;
const HMAC_BYTES_MIN = 24;
const HMAC_BYTES_MAX = 64;
const SEED_BYTES = 32;
/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7): these bytes, then the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Undefined when it is none of the two kinds. */
export function webhookSigner(secret: string): WebhookSigner | undefined {
  const [, kind, text = ''] = /^(whsec|whsk)_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = unbase64(text);
  if (bytes === undefined) return undefined;
  if (kind === 'whsec') {
    if (bytes.length < HMAC_BYTES_MIN || bytes.length > HMAC_BYTES_MAX) return undefined;
    return (message) => `v1,${base64(createHmac('sha256', bytes).update(message).digest())}`;
  }
  if (bytes.length !== SEED_BYTES) return undefined;
  const key: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, bytes]), format: 'der', type: 'pkcs8' });
  return (message) => `v1a,${base64(sign(null, message, key))}`;
}

export interface SignedHeaders {
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
}

/** One signature by each secret, so that a receiver may know the old one or the new. */
export function signWebhook(
  signers: readonly WebhookSigner[],
  id: string,
  timestampS: number,
  body: string,
): SignedHeaders {
  const message = utf8(`${id}.${timestampS}.${body}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signers.map((signer) => signer(message)).join(' '),
  };
}

/** Rejects with KEY_PERMISSIONS when others may read it, and with KEY_LOST when it holds no secret. */
export async function readWebhookSecret(path: string): Promise<WebhookSigner> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw new LatchkeyError('KEY_PERMISSIONS', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  });
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600, found ${mode}`);
    }
    const bytes = new Uint8Array(FILE_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, 0, FILE_BYTES_MAX, 0);
    const line = utf8Text(bytes.subarray(0, bytesRead))?.replace(/\r?\n$/, '') ?? '';
    bytes.fill(0);
    const signer = webhookSigner(line);
    if (signer === undefined) {
      const expected = 'one line: whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of 32 bytes';
      throw new LatchkeyError('KEY_LOST', `${path}: expected ${expected}; found something else`);
    }
    return signer;
  } finally {
    await handle.close();
  }
}
