/**
 * Signed commands and their replies (FORMAT.md section 11): format, parse, sign, verify.
 *
 * A command is bound to one gateway, one log and one start of its daemon, has an id that counts once, and ends at a
 * monotonic time: whoever holds a copy of it can do nothing with it. Both are DSSE envelopes with one signature.
 */
import { assert } from '../../base/assert.ts';
import { base64url, hex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { pae } from '../batch/pae.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { Actor, Json, JsonObject } from '../event/event.ts';
import { actorField, codeField, hash32Field, nonce16Field, originField, timeField } from '../event/event-fields.ts';
import { type Field, int, object, pattern, word } from '../event/field.ts';
import { canonicalJson, isObject, parseCanonicalObject } from '../event/json.ts';
import type { Vkey } from '../log/note.ts';
import { parseOrigin } from '../log/origin.ts';
import type { Envelope } from './envelope.ts';

export const COMMAND_TYPE = 'application/vnd.latchkey.command.v1+json';
export const REPLY_TYPE = 'application/vnd.latchkey.reply.v1+json';

/** In base64, with everything around it, still an envelope. */
export const COMMAND_BYTES_MAX = 32_768;
export const REPLY_BYTES_MAX = 8_192;
const ARGS_BYTES_MAX = 30_720;
const REPLY_DATA_BYTES_MAX = 4_096;

export interface Command {
  readonly gateway: string;
  /** Origin of the log that is open at the gateway. */
  readonly log: string;
  /** base64url of the 16 bytes that the running start drew and signed. */
  readonly start: string;
  /** base64url of 16 random bytes. */
  readonly id: string;
  /** In that start; always judged. */
  readonly until_up_ms: number;
  /** Wall time as in events; judged too where the gateway's clock can be trusted. */
  readonly not_after?: string;
  readonly verb: string;
  readonly args: JsonObject;
  /** On whose behalf, in the service's words: the actor of what happens. */
  readonly by: Actor;
}

export interface Reply {
  readonly gateway: string;
  /** Origin of the log whose key signs: the one that is open now, with its start and the time in it. */
  readonly log: string;
  readonly start: string;
  readonly up_ms: number;
  /** Of the command, and the SHA-256 of its payload, base64url. */
  readonly id: string;
  readonly command: string;
  readonly verb: string;
  readonly outcome: 'executed' | 'refused';
  /** A stable word: the result, or the reason of the refusal. */
  readonly result: string;
  readonly reason?: string;
  /** Place of the `command.executed` or `command.refused` entry. */
  readonly entry: { readonly log: string; readonly n: number };
  readonly took_ms?: number;
  /** By verb. */
  readonly data?: JsonObject;
}

export type CommandRefusal =
  /** Not an envelope of this type with one signature, or a payload that is not spelled as FORMAT.md says. */
  | 'form'
  /** An unknown version or member under a valid signature. */
  | 'unknown_version'
  /** Not by this key. */
  | 'key'
  | 'signature';

const gatewayField = pattern('[a-z0-9-]{1,64}', 64);
/** Any object; its verb says what may be in it. */
const anyObject: Field = {
  fits: (value) => isObject(value),
  scan: () => -1,
  clean: (value) => value,
  schema: { type: 'object' },
  bytesMax: ARGS_BYTES_MAX,
};

const commandField = object(
  {
    args: anyObject,
    by: actorField,
    gateway: gatewayField,
    id: nonce16Field,
    log: originField,
    start: nonce16Field,
    until_up_ms: int(),
    v: int(1, 1),
    verb: codeField,
  },
  { not_after: timeField },
);

const replyField = object(
  {
    command: hash32Field,
    entry: object({ log: originField, n: int() }),
    gateway: gatewayField,
    id: nonce16Field,
    log: originField,
    outcome: word('executed', 'refused'),
    result: codeField,
    start: nonce16Field,
    up_ms: int(),
    v: int(1, 1),
    verb: codeField,
  },
  { data: anyObject, reason: codeField, took_ms: int() },
);

/** JSON Schemas of both payloads, for config/wire.schema.json. */
export const COMMAND_SCHEMAS: JsonObject = { command: commandField.schema, reply: replyField.schema };

/** The payload to sign under `COMMAND_TYPE`. One that `parseCommand` would refuse is an assertion. */
export function commandPayload(command: Command): Uint8Array {
  const { not_after, ...rest } = command;
  const { kind, ref } = command.by;
  const object = { ...rest, by: { kind, ref }, ...(not_after !== undefined && { not_after }), v: 1 };
  const payload = utf8(canonicalJson(object));
  const again = parseCommand(payload);
  assert(again.ok, `no command: ${again.ok ? '' : again.detail}`);
  return payload;
}

/** The payload to sign under `REPLY_TYPE`. One that `parseReply` would refuse is an assertion. */
export function replyPayload(reply: Reply): Uint8Array {
  const { reason, took_ms, data, ...rest } = reply;
  const object: JsonObject = {
    ...rest,
    entry: { ...reply.entry },
    ...(reason !== undefined && { reason }),
    ...(took_ms !== undefined && { took_ms }),
    ...(data !== undefined && { data }),
    v: 1,
  };
  const payload = utf8(canonicalJson(object));
  const again = parseReply(payload);
  assert(again.ok, `no reply: ${again.ok ? '' : again.detail}`);
  return payload;
}

/** Not believed. */
export function parseCommand(payload: Uint8Array): Result<Command, CommandRefusal> {
  const found = parsePayload(payload, COMMAND_BYTES_MAX, commandField, 'a command');
  if (!found.ok) return found;
  const { v: _v, ...members } = found.value;
  const command = members as unknown as Command;
  if (canonicalJson(command.args).length > ARGS_BYTES_MAX) {
    return refuse('form', `expected arguments of at most ${ARGS_BYTES_MAX} bytes`);
  }
  return ofGateway(command.log, command.gateway) ? accept(command) : refuse('form', 'the log is of another gateway');
}

/** Not believed. */
export function parseReply(payload: Uint8Array): Result<Reply, CommandRefusal> {
  const found = parsePayload(payload, REPLY_BYTES_MAX, replyField, 'a reply');
  if (!found.ok) return found;
  const { v: _v, ...members } = found.value;
  const reply = members as unknown as Reply;
  if (reply.data !== undefined && canonicalJson(reply.data).length > REPLY_DATA_BYTES_MAX) {
    return refuse('form', `expected data of at most ${REPLY_DATA_BYTES_MAX} bytes`);
  }
  const isOwn = ofGateway(reply.log, reply.gateway) && ofGateway(reply.entry.log, reply.gateway);
  return isOwn ? accept(reply) : refuse('form', 'a log of the reply is of another gateway');
}

/** Whether this key signed the envelope as a command; its payload is not looked at. */
export function checkCommandSignature(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  vkey: Vkey,
): Result<Uint8Array, CommandRefusal> {
  return unsignedBy(crypto, envelope, COMMAND_TYPE, vkey) ?? accept(envelope.payload);
}

/** The command, when `vkey` signed it. The signature is checked before the payload is believed. */
export function verifyCommand(crypto: EvidenceCrypto, envelope: Envelope, vkey: Vkey): Result<Command, CommandRefusal> {
  const signed = checkCommandSignature(crypto, envelope, vkey);
  return signed.ok ? parseCommand(signed.value) : signed;
}

/** The reply, when the log key `vkey` signed it, and it names that log. */
export function verifyReply(crypto: EvidenceCrypto, envelope: Envelope, vkey: Vkey): Result<Reply, CommandRefusal> {
  const refused = unsignedBy(crypto, envelope, REPLY_TYPE, vkey);
  if (refused !== undefined) return refused;
  const reply = parseReply(envelope.payload);
  if (reply.ok && reply.value.log !== vkey.name) return refuse('key', 'the reply names another log than its key');
  return reply;
}

export function commandEnvelope(payload: Uint8Array, keyId: Uint8Array, signature: Uint8Array): Envelope {
  return { payloadType: COMMAND_TYPE, payload, signatures: [{ keyid: hex(keyId), sig: signature }] };
}

export function replyEnvelope(payload: Uint8Array, keyId: Uint8Array, signature: Uint8Array): Envelope {
  return { payloadType: REPLY_TYPE, payload, signatures: [{ keyid: hex(keyId), sig: signature }] };
}

/** What a reply says which command it answers. */
export function commandHash(crypto: EvidenceCrypto, payload: Uint8Array): string {
  return base64url(crypto.sha256(payload));
}

function unsignedBy(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  type: string,
  vkey: Vkey,
): Result<never, CommandRefusal> | undefined {
  const [signature, ...more] = envelope.signatures;
  if (envelope.payloadType !== type || signature === undefined || more.length > 0) {
    return refuse('form', `expected an envelope of ${type} with one signature`);
  }
  if (signature.keyid !== hex(vkey.keyId) || vkey.type !== 1) return refuse('key', 'not signed by this key');
  if (crypto.verifyEd25519(vkey.publicKey, pae(type, envelope.payload), signature.sig)) return undefined;
  return refuse('signature', 'the signature does not verify');
}

function parsePayload(
  payload: Uint8Array,
  bytesMax: number,
  field: Field,
  what: string,
): Result<JsonObject, CommandRefusal> {
  const object = parseCanonicalObject(payload, bytesMax);
  if (!object.ok) return refuse('form', object.detail);
  if (object.value['v'] !== 1) return refuse('unknown_version', `unknown version of ${what}`);
  const names = field.schema['properties'] as Readonly<Record<string, Json>>;
  if (Object.keys(object.value).some((name) => !Object.hasOwn(names, name))) {
    return refuse('unknown_version', `unknown member of ${what}`);
  }
  return field.fits(object.value) ? object : refuse('form', `the members are not those of ${what}`);
}

function ofGateway(log: string, gateway: string): boolean {
  const origin = parseOrigin(log);
  return origin.ok && origin.value.gateway === gateway;
}
