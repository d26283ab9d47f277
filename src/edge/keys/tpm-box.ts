/**
 * The TPM of this box at work: every unit in a session salted to the pinned SRK, keys by their pinned Names.
 *
 * A counter's value, an attestation, a login: whoever sits on the bus can withhold them and change none.
 */
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { type AttestationKey, attestationKey } from '../../evidence/anchor/attestation-key.ts';
import type { SignedAttest } from '../../evidence/anchor/signed-attest.ts';
import { type EvidenceCrypto, P256_SPKI_PREFIX } from '../../evidence/crypto.ts';
import { TPM_ALG, TPM_RH } from '../../tpm2/algorithms.ts';
import { type ClockInfo, parseAttest } from '../../tpm2/attest.ts';
import type { PcrSelection } from '../../tpm2/pcr.ts';
import { parseEcdsaSignature } from '../../tpm2/signature.ts';
import type { AnchorTpm, CertifiedCounter } from '../contracts/anchor-tpm.ts';
import type { TpmClient } from '../tpm/client.ts';
import { type Attestation, GetTime, NV_Certify, Quote, Sign } from '../tpm/commands/attest.ts';
import { NV_Increment, nvReadCounter } from '../tpm/commands/nv.ts';
import { protect, type SaltKey } from '../tpm/commands/session.ts';
import { type Entity, permanent } from '../tpm/entity.ts';
import type { Tpm } from '../tpm/unit.ts';
import { AK_HANDLE, LOGIN_HANDLE, type PinnedKey, SRK_HANDLE, type TpmIdentity } from './tpm-identity.ts';

const ENDORSEMENT = permanent(TPM_RH.ENDORSEMENT);
const COUNTER_RANGE = { sizeBytes: 8 } as const;
const POINT_BYTES = 32;

/** PCRs whose state a Quote states: firmware, its settings, boot loader, secure boot, kernel (TCG PC Client PFP, section 3.3.4). */
export const QUOTED_PCRS: readonly PcrSelection[] = [{ hashAlg: TPM_ALG.SHA256, pcrs: [0, 1, 2, 4, 7, 8, 9] }];

export class TpmBox implements AnchorTpm {
  readonly identity: TpmIdentity;
  readonly ak: AttestationKey;
  /** SubjectPublicKeyInfo of the key that signs logins, 91 bytes. */
  readonly loginSpki: Uint8Array;
  readonly #client: TpmClient;
  readonly #crypto: EvidenceCrypto;
  readonly #salt: SaltKey;
  readonly #counter: Entity;

  constructor(client: TpmClient, identity: TpmIdentity, crypto: EvidenceCrypto) {
    this.#client = client;
    this.identity = identity;
    this.#crypto = crypto;
    this.#salt = { handle: SRK_HANDLE, area: identity.srk.area, pinnedName: identity.srk.name };
    this.#counter = { handle: identity.counter.index, name: identity.counter.name };
    const ak = attestationKey(crypto, spkiOf(identity.ak));
    if (ak === undefined || !equalBytes(ak.name, identity.ak.name)) {
      throw new LatchkeyError('KEY_LOCKED', 'the pinned AK is not of the form that verifiers expect; enrol again');
    }
    this.ak = ak;
    this.loginSpki = spkiOf(identity.login);
  }

  get akSpki(): Uint8Array {
    return this.ak.spki;
  }

  get srk(): Entity {
    return { handle: SRK_HANDLE, name: this.identity.srk.name };
  }

  get akEntity(): Entity {
    return { handle: AK_HANDLE, name: this.identity.ak.name };
  }

  /** A unit of work in a salted session: commands are authorised, answers proved, first parameters encrypted. */
  run<T>(work: (tpm: Tpm) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#client.run(
      async (tpm) => {
        await protect(tpm, this.#salt);
        return await work(tpm);
      },
      signal === undefined ? {} : { signal },
    );
  }

  /** Without the salted session, for a TPM whose SRK is not the pinned one: nothing that it says is believed alone. */
  bare<T>(work: (tpm: Tpm) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#client.run(work, { signal });
  }

  async readCounter(signal: AbortSignal): Promise<number> {
    return Number(await this.run((tpm) => nvReadCounter(tpm, this.#counter, this.#counter), signal));
  }

  /** Both commands in one session, which on a chip costs as much as either. */
  advanceCounter(extraData: Uint8Array, signal: AbortSignal): Promise<CertifiedCounter> {
    return this.#certified(extraData, signal, (tpm) => NV_Increment(tpm, this.#counter, this.#counter));
  }

  certifyCounter(extraData: Uint8Array, signal: AbortSignal): Promise<CertifiedCounter> {
    return this.#certified(extraData, signal, () => Promise.resolve());
  }

  /** State of the PCRs, over `extraData`. */
  async quote(extraData: Uint8Array, signal: AbortSignal, pcrs = QUOTED_PCRS): Promise<SignedAttest> {
    return this.#checked(await this.run((tpm) => Quote(tpm, this.akEntity, extraData, pcrs), signal), extraData);
  }

  /** Clock and time, over `extraData`. */
  async time(extraData: Uint8Array, signal: AbortSignal): Promise<SignedAttest & { readonly clock: ClockInfo }> {
    const work = (tpm: Tpm) => GetTime(tpm, ENDORSEMENT, this.akEntity, extraData);
    const signed = this.#checked(await this.run(work, signal), extraData);
    const parsed = parseAttest(signed.attest);
    if (!parsed.ok) throw tampered(`an attestation that cannot be read: ${parsed.detail}`);
    return { ...signed, clock: parsed.value.clockInfo };
  }

  /** ES256 (RFC 7518 section 3.4) by the login key over these bytes: r || s. */
  async signLogin(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const key: Entity = { handle: LOGIN_HANDLE, name: this.identity.login.name };
    const made = await this.run((tpm) => Sign(tpm, key, this.#crypto.sha256(bytes)), signal);
    const signature = parseEcdsaSignature(made);
    if (!signature.ok || !this.#crypto.verifyEcdsaP256(this.loginSpki, bytes, signature.value)) {
      throw tampered('the login signature does not verify');
    }
    return signature.value;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #certified(
    extraData: Uint8Array,
    signal: AbortSignal,
    first: (tpm: Tpm) => Promise<void>,
  ): Promise<CertifiedCounter> {
    const signed = await this.run(async (tpm) => {
      await first(tpm);
      return await NV_Certify(tpm, this.akEntity, this.#counter, this.#counter, extraData, COUNTER_RANGE);
    }, signal);
    const { attest, signature } = this.#checked(signed, extraData);
    const parsed = parseAttest(attest);
    if (
      !parsed.ok ||
      parsed.value.body.kind !== 'nv' ||
      parsed.value.body.contents.length !== COUNTER_RANGE.sizeBytes
    ) {
      throw tampered('the TPM certified something else than the counter');
    }
    const { contents } = parsed.value.body;
    const value = Number(new DataView(contents.buffer, contents.byteOffset).getBigUint64(0));
    return { value, attest, signature };
  }

  /** What leaves the box was looked at: a wrong signature in the log would accuse an honest gateway. */
  #checked({ attest, signature }: Attestation, extraData: Uint8Array): SignedAttest {
    const parsed = parseEcdsaSignature(signature);
    if (!parsed.ok || !this.#crypto.verifyEcdsaP256(this.ak.spki, attest, parsed.value)) {
      throw tampered("the AK's signature does not verify");
    }
    const read = parseAttest(attest);
    if (!read.ok || !equalBytes(read.value.extraData, extraData)) throw tampered('an attestation of other data');
    return { attest, signature: parsed.value };
  }
}

/** A TPM may leave out leading zeros of a coordinate. */
function spkiOf({ area }: PinnedKey): Uint8Array {
  const spki = new Uint8Array(P256_SPKI_PREFIX.length + 2 * POINT_BYTES);
  spki.set(P256_SPKI_PREFIX);
  const { x, y } = area.unique;
  spki.set(x.subarray(-POINT_BYTES), P256_SPKI_PREFIX.length + POINT_BYTES - Math.min(x.length, POINT_BYTES));
  spki.set(y.subarray(-POINT_BYTES), spki.length - Math.min(y.length, POINT_BYTES));
  return spki;
}

function tampered(found: string): LatchkeyError {
  return new LatchkeyError('TPM_TAMPERED', `expected the attestation that was asked for; found: ${found}`);
}
