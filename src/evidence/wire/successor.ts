/**
 * The successor statement: the old log's key vouches for the new log's key (FORMAT.md section 7).
 *
 * Payload, in JCS: `{"cause","gateway","new","old","root","size","v":1}`; `size` and `root` name the old log's last
 * checkpoint and are absent together when unknown; `root` is padded base64 as in a checkpoint.
 */
import { assert } from '../../base/assert.ts';
import { base64, hex, unbase64, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { pae } from '../batch/pae.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { JsonObject } from '../event/event.ts';
import { canonicalJson, parseCanonicalObject } from '../event/json.ts';
import { formatVkey, isSoundVkey, parseVkey, type Vkey } from '../log/note.ts';
import { parseOrigin } from '../log/origin.ts';
import { HASH_BYTES } from '../log/tree.ts';
import type { Envelope } from './envelope.ts';

export const SUCCESSOR_TYPE = 'application/vnd.latchkey.successor.v1+json';
export const SUCCESSOR_BYTES_MAX = 2_048;

export interface Successor {
  readonly gateway: string;
  /** Origin of the log that ended. */
  readonly old: string;
  /** Its last checkpoint, when known. After a breach: that of the memory outside the disk. */
  readonly last?: { readonly size: number; readonly root: Uint8Array };
  /** Key of the log that goes on. */
  readonly successor: Vkey;
  /** `rotation`, `key_lost`, `quarantine`, `breach` or `missing`; any `[a-z][a-z0-9_]{0,31}` is taken. */
  readonly cause: string;
}

export type SuccessorRefusal =
  /** Not an envelope of this type with one signature, or a payload that is not spelled as above. */
  | 'statement'
  /** An unknown version or member; under a valid signature it is to be kept and looked at. */
  | 'unknown_version'
  /** Old and new log are not of the gateway that the statement names, or are one log. */
  | 'gateway'
  /** Not signed by the old log's key. */
  | 'key'
  | 'signature';

/** The payload to sign with the old log's key under `SUCCESSOR_TYPE`. */
export function successorPayload(statement: Successor): Uint8Array {
  const { last } = statement;
  const object: JsonObject = {
    cause: statement.cause,
    gateway: statement.gateway,
    new: formatVkey(statement.successor),
    old: statement.old,
    ...(last === undefined ? {} : { root: base64(last.root), size: last.size }),
    v: 1,
  };
  const payload = utf8(canonicalJson(object));
  const again = parseSuccessorPayload(payload);
  assert(again.ok, `no successor statement: ${again.ok ? '' : again.detail}`);
  return payload;
}

export function successorEnvelope(payload: Uint8Array, keyId: Uint8Array, signature: Uint8Array): Envelope {
  return { payloadType: SUCCESSOR_TYPE, payload, signatures: [{ keyid: hex(keyId), sig: signature }] };
}

/** The statement, not believed. */
export function parseSuccessor(envelope: Envelope): Result<Successor, SuccessorRefusal> {
  if (envelope.payloadType !== SUCCESSOR_TYPE || envelope.signatures.length !== 1) {
    return refuse('statement', `expected an envelope of ${SUCCESSOR_TYPE} with one signature`);
  }
  return parseSuccessorPayload(envelope.payload);
}

/** The statement, when the old log's key `vkey` signed it. The signature is checked before the payload is believed. */
export function verifySuccessor(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  vkey: Vkey,
): Result<Successor, SuccessorRefusal> {
  const [signature, ...more] = envelope.signatures;
  if (envelope.payloadType !== SUCCESSOR_TYPE || signature === undefined || more.length > 0) {
    return refuse('statement', `expected an envelope of ${SUCCESSOR_TYPE} with one signature`);
  }
  if (signature.keyid !== hex(vkey.keyId) || vkey.type !== 1) return refuse('key', "not signed by the old log's key");
  if (!crypto.verifyEd25519(vkey.publicKey, pae(SUCCESSOR_TYPE, envelope.payload), signature.sig)) {
    return refuse('signature', 'the signature of the statement does not verify');
  }
  const parsed = parseSuccessorPayload(envelope.payload);
  if (!parsed.ok) return parsed;
  if (parsed.value.old !== vkey.name) return refuse('key', 'the statement names another old log than its key');
  if (!isSoundVkey(crypto, parsed.value.successor)) return refuse('statement', 'the new vkey has a wrong key id');
  return parsed;
}

function parseSuccessorPayload(payload: Uint8Array): Result<Successor, SuccessorRefusal> {
  const object = parseCanonicalObject(payload, SUCCESSOR_BYTES_MAX);
  if (!object.ok) return refuse('statement', object.detail);
  const { v, gateway, old, size, root, new: successorText, cause, ...unknown } = object.value;
  if (v !== 1 || Object.keys(unknown).length > 0) return refuse('unknown_version', 'unknown version or member');
  if (typeof gateway !== 'string' || typeof old !== 'string' || typeof successorText !== 'string') {
    return refuse('statement', 'expected `gateway`, `old` and `new`');
  }
  if (typeof cause !== 'string' || !/^[a-z][a-z0-9_]{0,31}$/.test(cause))
    return refuse('statement', 'expected a `cause`');
  const last = lastOf(size, root);
  if (last === undefined) return refuse('statement', '`size` and `root` name a checkpoint, or both are absent');
  const successor = parseVkey(successorText);
  if (!successor.ok || successor.value.type !== 1) return refuse('statement', '`new` is not the vkey of a log');
  const oldOrigin = parseOrigin(old);
  const newOrigin = parseOrigin(successor.value.name);
  if (!oldOrigin.ok || !newOrigin.ok) return refuse('statement', '`old` and `new` name origins');
  const sameGateway = oldOrigin.value.gateway === gateway && newOrigin.value.gateway === gateway;
  if (!sameGateway || oldOrigin.value.domain !== newOrigin.value.domain || old === successor.value.name) {
    return refuse('gateway', 'the old and the new log are two logs of the named gateway');
  }
  return accept({ gateway, old, ...last, successor: successor.value, cause });
}

function lastOf(size: unknown, root: unknown): Pick<Successor, 'last'> | undefined {
  if (size === undefined && root === undefined) return {};
  const bytes = typeof root === 'string' ? unbase64(root) : undefined;
  if (typeof size !== 'number' || size < 0 || bytes?.length !== HASH_BYTES) return undefined;
  return { last: { size, root: bytes } };
}
