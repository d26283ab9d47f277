/** The first step of an enrolment: from a request to what its challenge must know. */
import { randomBytes } from 'node:crypto';
import { base64, base64url, hex } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { isSoundVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin, tagOf } from '../../evidence/log/origin.ts';
import { enrolStatementPayload, type TpmClass } from '../../evidence/wire/enrolment.ts';
import { makeCredential } from '../../tpm2/make-credential.ts';
import type { TpmExchange } from './answers.ts';
import { checkEk, type EkTrust } from './ek.ts';
import { type Challenge, type EnrolRequest, NONCE_BYTES } from './messages.ts';
import { type Cryptos, checkObjects, namesOf } from './objects.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

const SECRET_BYTES = 32;

export interface BeginRules {
  /** Operator domains whose origins are enrolled. */
  readonly domains: readonly string[];
  readonly classes: readonly TpmClass[];
}

export interface Begun {
  readonly nonce: string;
  readonly statement: Uint8Array;
  readonly credential?: NonNullable<Challenge['credential']>;
  readonly tpm?: TpmExchange;
}

export function checkRequest(
  cryptos: Cryptos,
  trust: EkTrust,
  rules: BeginRules,
  request: EnrolRequest,
  nowMs: number,
): Result<Begun, EnrolRefusal> {
  if (!isOwnLog(cryptos, rules, request.gateway, request.log)) return refused('log');
  const nonce = base64url(Uint8Array.from(randomBytes(NONCE_BYTES)));
  const { gateway, log } = request;
  if (request.keys === 'software') {
    if (!rules.classes.includes('software')) return refused('class_not_allowed');
    return accept({ nonce, statement: enrolStatementPayload({ gateway, log, nonce }) });
  }
  const { tpm } = request;
  const ek = checkEk(trust, { certificate: tpm.ek_cert, public: tpm.ek_public }, nowMs);
  if (!ek.ok) return ek;
  if (!rules.classes.includes(ek.value.class)) return refused('class_not_allowed');
  const objects = checkObjects(cryptos, tpm, log);
  if (!objects.ok) return objects;
  const secret = Uint8Array.from(randomBytes(SECRET_BYTES));
  const credential = makeCredential(cryptos.tpm, ek.value.public, objects.value.ak.name, secret);
  if (!credential.ok) return refused('ek_public');
  return accept({
    nonce,
    statement: enrolStatementPayload({ gateway, log, nonce, tpm: namesOf(objects.value) }),
    credential: {
      id_object: base64(credential.value.idObject),
      encrypted_secret: base64(credential.value.encryptedSecret),
    },
    tpm: { ek: ek.value, objects: objects.value, properties: tpm.properties, secret },
  });
}

function isOwnLog(cryptos: Cryptos, rules: BeginRules, gateway: string, log: Vkey): boolean {
  const origin = parseOrigin(log.name);
  if (!origin.ok || !isSoundVkey(cryptos.evidence, log)) return false;
  const { domain, tag } = origin.value;
  const isOwn = origin.value.gateway === gateway && tag === tagOf(cryptos.evidence, log.publicKey);
  return isOwn && rules.domains.includes(domain);
}

/** Under which a key is claimed for one gateway. */
export function claimsOf(cryptos: Cryptos, log: Vkey, tpm: TpmExchange | undefined) {
  const id = (bytes: Uint8Array) => hex(cryptos.evidence.sha256(bytes));
  const key = { kind: 'key', id: id(log.publicKey), doubt: 'key_elsewhere' } as const;
  if (tpm === undefined) return [key];
  return [
    key,
    { kind: 'ak', id: id(tpm.objects.ak.spki), doubt: 'ak_elsewhere' } as const,
    // The certified key, not the certificate: a vendor may certify one key twice.
    { kind: 'ek', id: id(tpm.ek.keyBytes), doubt: 'ek_elsewhere' } as const,
  ];
}
