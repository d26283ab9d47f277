/**
 * Clients that exchange a long-lived secret for tokens. Settings hold the hash of each secret; secrets are made here, so
 * that none is short enough to be found from its hash.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { base64url, hex, unhex, utf8 } from '../../base/bytes.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Role } from './roles.ts';
import type { ApiSettings } from './settings.ts';

const SECRET_BYTES = 32;
const SECRET = /^lks_[A-Za-z0-9_-]{43}$/;
/** What an unknown client is compared with, so that its answer takes as long. */
const NOBODY = '0'.repeat(64);

export interface ClientSecret {
  readonly secret: string;
  /** For the settings. */
  readonly sha256: string;
}

export function makeClientSecret(): ClientSecret {
  const secret = `lks_${base64url(randomBytes(SECRET_BYTES))}`;
  return { secret, sha256: hashOf(secret) };
}

export class ClientBook {
  readonly #clients: ReadonlyMap<string, ApiSettings['clients'][number]>;

  constructor(clients: ApiSettings['clients']) {
    this.#clients = new Map(clients.map((client) => [client.id, client]));
  }

  /** The roles of the client; undefined when it is not known or the secret is another. Takes as long in both cases. */
  rolesOf(id: string, secret: string): readonly Role[] | undefined {
    const client = this.#clients.get(id);
    const wanted = unhex(client?.secret_sha256 ?? NOBODY) ?? new Uint8Array(32);
    const isSame = timingSafeEqual(nodeCrypto.sha256(utf8(secret)), wanted);
    return isSame && SECRET.test(secret) ? client?.roles : undefined;
  }
}

function hashOf(secret: string): string {
  return hex(nodeCrypto.sha256(utf8(secret)));
}
