/** TPM2_StartAuthSession, TPM2_FlushContext (TPM 2.0 Library, Part 3, sections 11 and 28). */
import { assert } from '../../../base/assert.ts';
import { equalBytes } from '../../../base/bytes.ts';
import { coordinateSizeBytes, type HashAlg, hashSizeBytes, TPM_ALG, TPM_RH } from '../../../tpm2/algorithms.ts';
import { kdfa, kdfe } from '../../../tpm2/kdf.ts';
import { type EccPublic, objectName } from '../../../tpm2/public.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import { type Entity, permanent } from '../entity.ts';
import { Secret } from '../secret.ts';
import { type SessionType, TpmSession } from '../session.ts';
import type { Tpm } from '../unit.ts';

/** The key to which a session's salt is encrypted: who holds its private part shares the session's key. */
export interface SaltKey {
  readonly handle: number;
  readonly area: EccPublic;
  /** From what was enrolled, not from the TPM: otherwise whoever sits on the bus offers a key of his own. */
  readonly pinnedName: Uint8Array;
}

export interface SessionOptions {
  /** HMAC unless given. A trial session only computes a policy's digest. */
  readonly type?: SessionType;
  /** Without one the session has no key: whoever sits on the bus can speak for the TPM. */
  readonly salt: SaltKey | 'unsalted';
  /** SHA-256 unless given; a policy session has the hash of the policy's object. */
  readonly authHash?: HashAlg;
  /** 128 unless given. */
  readonly encryptionBits?: 128 | 256;
}

const SESSION_TYPE = { hmac: 0, policy: 1, trial: 3 } as const;

/** The unit flushes the session when it ends. Ends the unit with TPM_TAMPERED when the salt's key has not its pinned Name. */
export async function StartAuthSession(tpm: Tpm, options: SessionOptions): Promise<TpmSession> {
  const { type = 'hmac', authHash = TPM_ALG.SHA256, encryptionBits = 128 } = options;
  assert(hashSizeBytes(authHash) >= 32, 'a session has SHA-256 or a longer hash');
  const salt = options.salt === 'unsalted' ? undefined : saltFor(tpm, options.salt);
  const nonceCaller = tpm.crypto.randomBytes(hashSizeBytes(authHash));
  const writer = new TpmWriter().sized(nonceCaller).sized(salt?.encrypted ?? new Uint8Array(0));
  writer.u8(SESSION_TYPE[type]);
  if (salt === undefined) writer.u16(TPM_ALG.NULL);
  else writer.u16(TPM_ALG.AES).u16(encryptionBits).u16(TPM_ALG.CFB);
  const answer = await tpm.call({
    command: 'StartAuthSession',
    handles: [salt?.key ?? permanent(TPM_RH.NULL), permanent(TPM_RH.NULL)],
    parameters: writer.u16(authHash).bytes(),
  });
  const nonceTpm = tpm.read('StartAuthSession', answer.parameters, (reader) => reader.sized(64));
  assert(answer.handle !== undefined, 'StartAuthSession has a response handle');
  const key =
    salt === undefined
      ? new Uint8Array(0)
      : kdfa(tpm.crypto, authHash, salt.secret, 'ATH', nonceTpm, nonceCaller, 8 * hashSizeBytes(authHash));
  const session = new TpmSession(tpm.crypto, {
    type,
    handle: answer.handle,
    authHash,
    encryptionBits: salt === undefined ? undefined : encryptionBits,
    key: new Secret(key),
    nonceTpm,
  });
  key.fill(0);
  tpm.holdSession(session);
  return session;
}

/** A salted HMAC session which authorises, encrypts and audits every command of the unit from now on. */
export async function protect(
  tpm: Tpm,
  salt: SaltKey,
  options: Pick<SessionOptions, 'authHash' | 'encryptionBits'> = {},
) {
  tpm.protectBy(await StartAuthSession(tpm, { ...options, salt }));
}

/** Part 1, annex C.6.1: the ephemeral point is the encrypted salt; KDFe over the shared x gives it. */
function saltFor(tpm: Tpm, salt: SaltKey): { key: Entity; encrypted: Uint8Array; secret: Uint8Array } {
  const { area, handle, pinnedName } = salt;
  if (!equalBytes(objectName(tpm.crypto, area), pinnedName)) {
    tpm.distrust('pinned_name', `the key at 0x${handle.toString(16)} is not the one whose Name is pinned`);
  }
  const exchange = tpm.crypto.ephemeralEcdh(area.curve, area.unique);
  if (exchange === undefined) tpm.distrust('pinned_name', 'the key for the salt is no point of its curve');
  const { point, sharedX } = exchange;
  const x = new Uint8Array(coordinateSizeBytes(area.curve));
  x.set(area.unique.x, x.length - area.unique.x.length);
  const bits = 8 * hashSizeBytes(area.nameAlg);
  const secret = kdfe(tpm.crypto, area.nameAlg, sharedX, 'SECRET', point.x, x, bits);
  const encrypted = new TpmWriter().sized(point.x).sized(point.y).bytes();
  return { key: { handle, name: pinnedName }, encrypted, secret };
}

/** Flushes an object or a session of this unit before the unit ends. */
export function FlushContext(tpm: Tpm, what: { readonly handle: number }): Promise<void> {
  return tpm.flush(what.handle);
}
