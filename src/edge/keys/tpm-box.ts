/**
 * The TPM of this box at work: every unit in a session salted to the pinned SRK, keys by their pinned Names.
 *
 * A counter's value, an attestation, a login: whoever sits on the bus can withhold them and change none.
 */
import { orAborted, within } from '../../base/abort.ts';
import { equalBytes } from '../../base/bytes.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import { type AttestationKey, attestationKey } from '../../evidence/anchor/attestation-key.ts';
import type { SignedAttest } from '../../evidence/anchor/signed-attest.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { TPM_ALG, TPM_RH } from '../../tpm2/algorithms.ts';
import { type ClockInfo, parseAttest } from '../../tpm2/attest.ts';
import type { PcrSelection } from '../../tpm2/pcr.ts';
import { parseEcdsaSignature } from '../../tpm2/signature.ts';
import type { AnchorTpm, CertifiedCounter } from '../contracts/anchor-tpm.ts';
import type { TpmClient } from '../tpm/client.ts';
import { type Attestation, GetTime, NV_Certify, Quote, Sign } from '../tpm/commands/attest.ts';
import { ReadClock, type TpmClock } from '../tpm/commands/capability.ts';
import { NV_Increment, nvReadCounter } from '../tpm/commands/nv.ts';
import { protect, type SaltKey } from '../tpm/commands/session.ts';
import { type Entity, permanent } from '../tpm/entity.ts';
import type { Tpm } from '../tpm/unit.ts';
import { spkiOf } from './spki.ts';
import { AK_HANDLE, LOGIN_HANDLE, SRK_HANDLE, type TpmIdentity } from './tpm-identity.ts';
import { ailmentOf, notProvisioned, type Provision, startUp } from './tpm-mending.ts';

const ENDORSEMENT = permanent(TPM_RH.ENDORSEMENT);
const COUNTER_RANGE = { sizeBytes: 8 } as const;

/** PCRs whose state a Quote states: firmware, its settings, boot loader, secure boot, kernel (TCG PC Client PFP, section 3.3.4). */
export const QUOTED_PCRS: readonly PcrSelection[] = [{ hashAlg: TPM_ALG.SHA256, pcrs: [0, 1, 2, 4, 7, 8, 9] }];

/** What is made of an identity once. */
interface Pinned {
  readonly identity: TpmIdentity;
  readonly ak: AttestationKey;
  readonly loginSpki: Uint8Array;
  readonly salt: SaltKey;
  readonly counter: Entity;
}

export interface TpmBoxOptions {
  /** Makes the identity of a box that has none: tried again at each use until it is there. */
  readonly provision?: Provision;
  /** What is pinned was not found: the identity that was made anew when the TPM proves that it was cleared. */
  readonly renew?: Provision;
  readonly logger?: Logger;
}

/** Looking whether a TPM was cleared makes keys in it: not at each of many failures. */
const RENEW_EVERY_MS = 60_000;
const MEND_LIMIT_MS = 180_000;

export class TpmBox implements AnchorTpm {
  readonly #client: TpmClient;
  readonly #crypto: EvidenceCrypto;
  readonly #options: TpmBoxOptions;
  readonly #stop = new AbortController();
  #pinned: Pinned | undefined;
  #provisioning: Promise<void> | undefined;
  readonly #mended = new WeakSet<object>();
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** Told of each clock that the AK signed. */
  onClock: (clock: ClockInfo) => void = () => undefined;

  /** `identity`: undefined for a box whose TPM holds nothing yet; `provision` then makes it. */
  constructor(
    client: TpmClient,
    identity: TpmIdentity | undefined,
    crypto: EvidenceCrypto,
    options: TpmBoxOptions = {},
  ) {
    this.#client = client;
    this.#crypto = crypto;
    this.#options = options;
    if (identity !== undefined) this.#pin(identity);
  }

  /** Undefined until the TPM has answered for the first time in the life of this box. */
  get known(): TpmIdentity | undefined {
    return this.#pinned?.identity;
  }

  /** Throws TPM_UNAVAILABLE while it is not known. */
  get identity(): TpmIdentity {
    return this.#present().identity;
  }

  get ak(): AttestationKey {
    return this.#present().ak;
  }

  get akSpki(): Uint8Array {
    return this.ak.spki;
  }

  /** SubjectPublicKeyInfo of the key that signs logins, 91 bytes. */
  get loginSpki(): Uint8Array {
    return this.#present().loginSpki;
  }

  get #counter(): Entity {
    return this.#present().counter;
  }

  get srk(): Entity {
    return { handle: SRK_HANDLE, name: this.identity.srk.name };
  }

  get akEntity(): Entity {
    return { handle: AK_HANDLE, name: this.identity.ak.name };
  }

  /**
   * A unit of work in a salted session: commands are authorised, answers proved, first parameters encrypted. Makes the
   * identity first when there is none.
   *
   * A failure that can be mended is, and then told all the same: whoever asked knows what may be done twice.
   */
  async run<T>(work: (tpm: Tpm) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.ready(signal);
    const { salt } = this.#present();
    const unit = async (tpm: Tpm): Promise<T> => {
      await protect(tpm, salt);
      return await work(tpm);
    };
    try {
      return await this.#client.run(unit, signal === undefined ? {} : { signal });
    } catch (error) {
      if (error instanceof LatchkeyError) await orAborted(signal, this.#mend(error));
      throw error;
    }
  }

  /** Resolves when the identity is known. Rejects like `provision`, with TPM_UNAVAILABLE without one. */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#pinned !== undefined) return;
    this.#provisioning ??= this.#provision().finally(() => {
      this.#provisioning = undefined;
    });
    this.#provisioning.catch(() => undefined);
    await orAborted(signal, this.#provisioning);
  }

  /** Whether what led to this failure is mended: the same work may succeed now. */
  isMended(failure: unknown): boolean {
    return typeof failure === 'object' && failure !== null && this.#mended.has(failure);
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

  /** Clock and boot of the TPM, as it says them in a session: proof for us, and for nobody else. */
  clock(signal: AbortSignal): Promise<TpmClock> {
    return this.run((tpm) => ReadClock(tpm), signal);
  }

  close(): Promise<void> {
    this.#stop.abort(new LatchkeyError('TPM_UNAVAILABLE', 'the gateway stops'));
    return this.#client.close();
  }

  #present(): Pinned {
    if (this.#pinned === undefined) throw notProvisioned(this.#client.target);
    return this.#pinned;
  }

  #pin(identity: TpmIdentity): void {
    const { srk, counter } = identity;
    const ak = attestationKey(this.#crypto, spkiOf(identity.ak));
    if (ak === undefined || !equalBytes(ak.name, identity.ak.name)) {
      throw new LatchkeyError('KEY_LOCKED', 'the pinned AK is not of the form that verifiers expect; enrol again');
    }
    this.#pinned = {
      identity,
      ak,
      loginSpki: spkiOf(identity.login),
      salt: { handle: SRK_HANDLE, area: srk.area, pinnedName: srk.name },
      counter: { handle: counter.index, name: counter.name },
    };
  }

  async #provision(): Promise<void> {
    const { provision } = this.#options;
    if (provision === undefined) throw notProvisioned(this.#client.target);
    this.#pin(await provision(this.#limit()));
  }

  async #mend(failure: LatchkeyError): Promise<void> {
    const ailment = ailmentOf(failure);
    const { logger = silentLogger, renew } = this.#options;
    if (ailment === undefined || this.#stop.signal.aborted) return;
    try {
      if (ailment === 'startup') await startUp(this.#client, this.#limit(), logger);
      else if (renew === undefined || performance.now() - this.#renewedAtMs < RENEW_EVERY_MS) return;
      else {
        this.#renewedAtMs = performance.now();
        this.#pin(await renew(this.#limit()));
      }
      this.#mended.add(failure);
    } catch (error) {
      logger.warn({ reason: explain(error) }, 'the TPM could not be mended');
    }
  }

  #limit(): AbortSignal {
    return within(MEND_LIMIT_MS, this.#stop.signal);
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
    this.onClock(read.value.clockInfo);
    return { attest, signature: parsed.value };
  }
}

function tampered(found: string): LatchkeyError {
  return new LatchkeyError('TPM_TAMPERED', `expected the attestation that was asked for; found: ${found}`);
}
