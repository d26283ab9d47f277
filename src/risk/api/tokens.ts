/**
 * Service tokens: JWTs (RFC 7519, profile of RFC 9068) of at most 15 minutes with one role, signed with Ed25519 (RFC
 * 8037). A token cannot be taken back alone: it lives shortly, a key that is changed ends all of its tokens, and so does
 * the client they were given to when it loses its place in the settings, or the role.
 */
import { randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import { JWTExpired } from 'jose/errors';
import { z } from 'zod';
import { base64url, hex, utf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { ROLES, type Role } from './roles.ts';
import { subjectSchema, TOKEN_MINUTES_MAX } from './settings.ts';
import { jsonPart, type TokenKeys } from './token-keys.ts';

export interface Identity {
  readonly subject: string;
  readonly role: Role;
}

/** `unchecked`: it may be sound, but its signature was not looked at. */
export type TokenRefusal = 'token_invalid' | 'token_expired' | 'unchecked';

const TYPE = 'at+jwt';
const ALGORITHM = 'EdDSA';
const JTI_BYTES = 12;
const LIFE_S_MAX = TOKEN_MINUTES_MAX * 60;
/** How far the clock of the host that made it may be ahead. */
const AHEAD_S = 5;
const TOKEN_LENGTH_MAX = 2_048;
const KNOWN_MAX = 10_000;

/** All that a token may say: what this service does not know it does not believe. */
const claimsSchema = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  sub: subjectSchema,
  /** Whose secret it was given for; absent in those that `latchkey risk token` makes. */
  client_id: subjectSchema.exactOptional(),
  role: z.enum(ROLES),
  iat: z.int().min(0),
  exp: z.int().min(0),
  jti: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
});

/**
 * `clientId`: whose secret it is given for. Throws nothing for whole minutes from 1 to 15, which the caller has checked.
 */
export function mintToken(
  keys: TokenKeys,
  { subject, role }: Identity,
  minutes: number,
  nowMs: number,
  clientId?: string,
): string {
  const iat = Math.floor(nowMs / 1_000);
  const exp = iat + Math.min(minutes, TOKEN_MINUTES_MAX) * 60;
  const jti = base64url(randomBytes(JTI_BYTES));
  const client = clientId === undefined ? {} : { client_id: clientId };
  const header = jsonPart({ alg: ALGORITHM, typ: TYPE, kid: keys.kid });
  const claims = jsonPart({ iss: keys.name, aud: keys.name, sub: subject, role, iat, exp, jti, ...client });
  const signed = `${header}.${claims}`;
  return `${signed}.${base64url(keys.sign(utf8(signed)))}`;
}

interface Known {
  readonly identity: Identity;
  readonly expMs: number;
}

/** Remembers tokens that it found sound, by their hash, until they expire: a client sends the same one often. */
export class TokenCheck {
  readonly #keys: TokenKeys;
  readonly #clock: Clock;
  readonly #clients: ReadonlyMap<string, readonly Role[]>;
  readonly #known = new Map<string, Known>();

  /** `clients`: those that there are now, with their roles. */
  constructor(keys: TokenKeys, clock: Clock, clients: ReadonlyMap<string, readonly Role[]>) {
    this.#keys = keys;
    this.#clock = clock;
    this.#clients = clients;
  }

  /** `mayVerify` is asked once at most, and only before a signature is checked, which is what costs. */
  async check(token: string, mayVerify: () => boolean): Promise<Result<Identity, TokenRefusal>> {
    if (token.length > TOKEN_LENGTH_MAX) return invalid();
    const hash = hashOf(token);
    const known = this.#known.get(hash);
    if (known !== undefined) return this.#clock.wallMs() < known.expMs ? accept(known.identity) : this.#over(hash);
    const glanced = this.#glance(token);
    if (!glanced.ok) return glanced;
    if (!mayVerify()) {
      return refuse('unchecked', 'too many tokens of this address were refused for each to be looked at; try again');
    }
    const checked = await this.#verify(token);
    if (!checked.ok) return checked;
    this.#keep(hash, checked.value);
    return accept(checked.value.identity);
  }

  /** One that was made here is sound. */
  remember(token: string, identity: Identity, expMs: number): void {
    this.#keep(hashOf(token), { identity, expMs });
  }

  #keep(hash: string, known: Known): void {
    if (this.#known.size >= KNOWN_MAX) this.#forgetOne();
    this.#known.set(hash, known);
  }

  #over(hash: string): Result<Identity, TokenRefusal> {
    this.#known.delete(hash);
    return expired();
  }

  #forgetOne(): void {
    for (const first of this.#known.keys()) {
      this.#known.delete(first);
      return;
    }
  }

  /** What it says of itself, before anything is computed: whoever never saw a token of ours names none of our keys. */
  #glance(token: string): Result<undefined, TokenRefusal> {
    try {
      const { kid = '' } = decodeProtectedHeader(token);
      const { iss, aud, exp } = decodeJwt(token);
      if (this.#keys.keyOf(kid) === undefined || iss !== this.#keys.name || aud !== this.#keys.name) return invalid();
      return typeof exp === 'number' && exp * 1_000 <= this.#clock.wallMs() ? expired() : accept(undefined);
    } catch {
      return invalid();
    }
  }

  async #verify(token: string): Promise<Result<Known, TokenRefusal>> {
    let payload: JWTPayload;
    try {
      const verified = await jwtVerify(token, ({ kid }) => keyFor(this.#keys, kid), {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: this.#keys.name,
        audience: this.#keys.name,
        currentDate: new Date(this.#clock.wallMs()),
      });
      payload = verified.payload;
    } catch (error) {
      return error instanceof JWTExpired ? expired() : invalid();
    }
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) return invalid();
    const { sub: subject, client_id: client, role, iat, exp } = claims.data;
    if (client !== undefined && this.#clients.get(client)?.includes(role) !== true) return invalid();
    const isAhead = iat * 1_000 > this.#clock.wallMs() + AHEAD_S * 1_000;
    if (isAhead || exp - iat > LIFE_S_MAX || exp <= iat) return invalid();
    return accept({ identity: { subject, role }, expMs: exp * 1_000 });
  }
}

function hashOf(token: string): string {
  return hex(nodeCrypto.sha256(utf8(token)));
}

function keyFor(keys: TokenKeys, kid: string | undefined) {
  const key = keys.keyOf(kid ?? '');
  if (key === undefined) throw new Error('a key that does not count');
  return key;
}

function invalid(): Result<never, TokenRefusal> {
  return refuse('token_invalid', 'expected a token of this service that its present keys signed; ask for a new one');
}

function expired(): Result<never, TokenRefusal> {
  return refuse('token_expired', 'its time is over; ask for a new one');
}
