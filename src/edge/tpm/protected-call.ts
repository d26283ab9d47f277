/**
 * One command in its sessions: parameters encrypted, Names and parameters under the HMACs; and the response judged by
 * them before anything in it is used (TPM 2.0 Library, Part 1, sections 16 to 19).
 */
import { assert } from '../../base/assert.ts';
import { concatBytes, equalBytes } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { type CommandName, type HashAlg, TPM_CC, TPM_RH } from '../../tpm2/algorithms.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { TpmWriter } from '../../tpm2/wire.ts';
import { COMMANDS } from './command-table.ts';
import type { Entity } from './entity.ts';
import type { TamperReason } from './errors.ts';
import { type AuthCommand, type AuthResponse, parseResponse, TPMA_SESSION, writeCommand } from './packet.ts';
import { NO_AUTH, type Secret } from './secret.ts';
import type { TpmSession } from './session.ts';

export interface TpmCall {
  readonly command: CommandName;
  readonly handles?: readonly Entity[];
  readonly parameters?: Uint8Array;
  /** The first handle's authorisation value after this command, which changes it: the response proves itself by it. */
  readonly authAfter?: Secret;
}

export interface TpmAnswer {
  readonly handle: number | undefined;
  readonly parameters: Uint8Array;
}

/** One place in the authorisation area. Without a session it is an empty password. */
interface Slot {
  readonly session: TpmSession | undefined;
  /** The value of the entity that the session authorises; undefined when it only accompanies the command. */
  readonly auth: Secret | undefined;
  readonly attributes: number;
}

export class ProtectedCall {
  readonly bytes: Uint8Array;
  readonly #crypto: TpmCrypto;
  readonly #call: TpmCall;
  readonly #slots: readonly Slot[];

  constructor(crypto: TpmCrypto, call: TpmCall, session: TpmSession | undefined) {
    this.#crypto = crypto;
    this.#call = call;
    const slots = slotsOf(call, session);
    for (const slot of slots) slot.session?.roll();
    this.#slots = slots;
    this.bytes = this.#write();
  }

  /** The response's content, if every session vouches for it. Sessions advance only then. */
  open(response: Uint8Array): Result<TpmAnswer | { readonly code: number }, TamperReason> {
    const shape = { sessions: this.#slots.length, handle: COMMANDS[this.#call.command].handle };
    const parsed = parseResponse(response, shape);
    if (!parsed.ok) return parsed;
    if (parsed.value.kind === 'refused') return accept({ code: parsed.value.code });
    const { handle, parameters, auths } = parsed.value;
    for (const [i, slot] of this.#slots.entries()) {
      const auth = auths[i];
      assert(auth !== undefined, 'a parsed response has as many sessions as its command');
      const judged = this.#judge(i, slot, auth, auths, parameters);
      if (!judged.ok) return judged;
    }
    const plain = this.#decrypted(parameters, auths);
    if (!plain.ok) return plain;
    for (const [i, slot] of this.#slots.entries()) slot.session?.advance(auths[i]?.nonceTpm ?? new Uint8Array(0));
    return accept({ handle, parameters: plain.value });
  }

  #write(): Uint8Array {
    const { command, handles = [] } = this.#call;
    const parameters = this.#encrypted(this.#call.parameters ?? new Uint8Array(0));
    const names = handles.map((entity) => entity.name);
    const auths = this.#slots.map((slot, i): AuthCommand => {
      const { session, attributes } = slot;
      const empty = new Uint8Array(0);
      if (session === undefined) return { sessionHandle: TPM_RH.PW, nonceCaller: empty, attributes, hmac: empty };
      const cpHash = this.#hash(session.authHash, TPM_CC[command], ...names, parameters);
      const others = this.#otherNonces(i);
      const hmac = session.hmac(cpHash, 'command', session.nonceTpm, others, attributes, slot.auth);
      return { sessionHandle: session.handle, nonceCaller: session.nonceCaller, attributes, hmac };
    });
    const numbers = handles.map((entity) => entity.handle);
    return writeCommand(TPM_CC[command], numbers, auths, parameters);
  }

  #judge(
    i: number,
    slot: Slot,
    auth: AuthResponse,
    auths: readonly AuthResponse[],
    parameters: Uint8Array,
  ): Result<undefined, TamperReason> {
    const { session } = slot;
    // The TPM alone knows whether an audit session was exclusive.
    const own = (slot.attributes & TPMA_SESSION.audit) !== 0 ? TPMA_SESSION.auditExclusive : 0;
    if ((auth.attributes & ~own) !== slot.attributes) {
      const found = `0x${auth.attributes.toString(16)}`;
      return refuse(
        'response_attributes',
        `session ${i + 1} has the attributes ${found}; expected 0x${slot.attributes.toString(16)}`,
      );
    }
    if (session === undefined) {
      if (auth.nonceTpm.length === 0 && auth.hmac.length === 0) return accept(undefined);
      return refuse('response_sessions', `the password in place ${i + 1} is answered with a nonce or an HMAC`);
    }
    const rpHash = this.#hash(session.authHash, 0, new TpmWriter().u32(TPM_CC[this.#call.command]).bytes(), parameters);
    const authValue = i === 0 && slot.auth !== undefined ? (this.#call.authAfter ?? slot.auth) : slot.auth;
    const hmac = session.hmac(rpHash, 'response', auth.nonceTpm, new Uint8Array(0), auth.attributes, authValue);
    if (equalBytes(hmac, auth.hmac)) return accept(undefined);
    return refuse(
      'response_hmac',
      `the HMAC of session ${i + 1} does not fit the response of ${auths.length} sessions`,
    );
  }

  /**
   * The nonces of the sessions that decrypt and encrypt, in the HMAC of the first session alone, so that nobody takes
   * them out (Part 1, section 17.6.5). Only commands carry them.
   */
  #otherNonces(i: number): Uint8Array {
    if (i !== 0) return new Uint8Array(0);
    const wanted = [TPMA_SESSION.decrypt, TPMA_SESSION.encrypt].map((flag) =>
      this.#slots.findIndex((slot) => (slot.attributes & flag) !== 0),
    );
    const nonces = [...new Set(wanted)].filter((at) => at > 0).map((at) => this.#slots[at]?.session?.nonceTpm);
    return concatBytes(...nonces.filter((nonce) => nonce !== undefined));
  }

  #encrypted(parameters: Uint8Array): Uint8Array {
    const slot = this.#slots.find(({ attributes }) => (attributes & TPMA_SESSION.decrypt) !== 0);
    if (slot?.session === undefined) return parameters;
    const size = sizeOfFirst(parameters);
    assert(size !== undefined, 'the first parameter is a TPM2B');
    const cipher = slot.session.encrypt(parameters.subarray(2, 2 + size), slot.auth);
    return concatBytes(parameters.subarray(0, 2), cipher, parameters.subarray(2 + size));
  }

  #decrypted(parameters: Uint8Array, auths: readonly AuthResponse[]): Result<Uint8Array, TamperReason> {
    const at = this.#slots.findIndex(({ attributes }) => (attributes & TPMA_SESSION.encrypt) !== 0);
    const slot = this.#slots[at];
    const auth = auths[at];
    if (slot?.session === undefined || auth === undefined) return accept(parameters);
    const size = sizeOfFirst(parameters);
    if (size === undefined) return refuse('response_encrypted_size', 'the encrypted parameter ends after the response');
    const plain = slot.session.decrypt(parameters.subarray(2, 2 + size), auth.nonceTpm, slot.auth);
    return accept(concatBytes(parameters.subarray(0, 2), plain, parameters.subarray(2 + size)));
  }

  #hash(alg: HashAlg, code: number, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.#crypto.hash(alg, concatBytes(new TpmWriter().u32(code).bytes(), ...parts));
  }
}

/** Who stands in the authorisation area: the policies and passwords of the handles, and the session that protects all. */
function slotsOf(call: TpmCall, session: TpmSession | undefined): readonly Slot[] {
  const row = COMMANDS[call.command];
  const { handles = [], parameters = new Uint8Array(0) } = call;
  assert(handles.length >= row.auths, `${call.command} has ${row.auths} authorised handles`);
  const places: { session: TpmSession | undefined; auth: Secret | undefined }[] = [];
  let protectedBy = session;
  for (const entity of handles.slice(0, row.auths)) {
    const auth = entity.auth ?? NO_AUTH;
    if (entity.policy !== undefined) {
      places.push({ session: entity.policy, auth });
    } else {
      assert(protectedBy !== undefined || auth.sizeBytes === 0, 'an authorisation value is never sent in clear');
      places.push({ session: protectedBy, auth });
      protectedBy = undefined;
    }
  }
  if (protectedBy !== undefined && row.sessions) places.push({ session: protectedBy, auth: undefined });
  // The unit's own session encrypts, and where there is none a policy session that can.
  const cipher = places.find((place) => place.session === session && session?.encrypts === true);
  const encrypting = cipher ?? places.find((place) => place.session?.encrypts === true);
  return places.map((place) => {
    let attributes: number = TPMA_SESSION.continueSession;
    if (place.session === undefined) return { ...place, attributes };
    if (place === encrypting && row.sizedCommand && (sizeOfFirst(parameters) ?? 0) > 0)
      attributes |= TPMA_SESSION.decrypt;
    if (place === encrypting && row.sizedResponse) attributes |= TPMA_SESSION.encrypt;
    // A session that neither authorises nor encrypts must audit (Part 1, section 17.3).
    if (place.auth === undefined && attributes === TPMA_SESSION.continueSession) attributes |= TPMA_SESSION.audit;
    return { ...place, attributes };
  });
}

/** Size of a TPM2B at the start, or undefined when it reaches beyond the end. */
function sizeOfFirst(parameters: Uint8Array): number | undefined {
  if (parameters.length < 2) return undefined;
  const size = ((parameters[0] ?? 0) << 8) | (parameters[1] ?? 0);
  return size > parameters.length - 2 ? undefined : size;
}
