/**
 * Log keys sealed in this box's TPM: one Ed25519 seed per log, under the SRK, opened only in a state of the PCRs that the
 * policy's authority approved. An opened seed signs from memory at full speed, so a TPM that goes away later stops no log.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { within, withTimeout } from '../../base/abort.ts';
import { assert } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { purposeDigest } from '../../evidence/anchor/statement.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { originFor, parseOrigin } from '../../evidence/log/origin.ts';
import { makeDirectory, removeTemporary, syncDirectory } from '../../platform/durable-file.ts';
import { TPM_ALG, TPM_RH } from '../../tpm2/algorithms.ts';
import { formatEcdsaSignature } from '../../tpm2/signature.ts';
import { sealedTemplate } from '../../tpm2/templates.ts';
import type { Ticket } from '../../tpm2/ticket.ts';
import type { KeyOptions, KeyStore, Signer } from '../contracts/signer.ts';
import { type Attestation, CertifyCreation, VerifySignature } from '../tpm/commands/attest.ts';
import { Create, Load, LoadExternal, Unseal } from '../tpm/commands/object.ts';
import { PCR_Read } from '../tpm/commands/pcr.ts';
import { PolicyAuthorize, PolicyPCR } from '../tpm/commands/policy.ts';
import { StartAuthSession } from '../tpm/commands/session.ts';
import { TpmRefusedError } from '../tpm/errors.ts';
import { Secret } from '../tpm/secret.ts';
import type { Tpm } from '../tpm/unit.ts';
import { LateSigner } from './late-signer.ts';
import type { Patience } from './patience.ts';
import {
  type Approval,
  approvalDigest,
  authPolicyOf,
  isApproved,
  POLICY_REF,
  type PolicyAuthority,
  pcrPolicy,
  pcrSelections,
} from './policy-authority.ts';
import { readSealedFile, type SealedBlob, type SealedKey, writeSealedFile } from './sealed-file.ts';
import { keyPair, SEED_BYTES, type SeedKey, SeedSigner } from './seed-signer.ts';
import type { TpmBox } from './tpm-box.ts';
import { wasTakenByClear } from './tpm-clear.ts';

const SUFFIX = '.sealed';
/** Longest time for one key: a slow chip takes two seconds, a hanging one must not hold the journal up. */
const UNIT_LIMIT_MS = 60_000;
/** A log that must begin waits no longer for its key. */
const LATE_WAIT_MS = 1_000;

export interface TpmKeyStoreParts {
  /** `<data_dir>/keys`. */
  readonly directory: string;
  readonly box: TpmBox;
  readonly authority: PolicyAuthority;
  readonly crypto: EvidenceCrypto;
  /** Where seeds come from: the system's generator unless a test wants to know them. */
  readonly randomBytes?: (sizeBytes: number) => Uint8Array;
  /** Of a start: when it is used up, `open` rejects with KEY_LOCKED, and the next call joins the work. */
  readonly patience?: Patience;
  readonly scheduler?: Scheduler;
}

export class TpmKeyStore implements KeyStore {
  readonly kind = 'tpm';
  readonly #parts: TpmKeyStoreParts;
  readonly #scheduler: Scheduler;
  readonly #signers = new Map<string, SeedSigner>();
  readonly #late = new Map<string, LateSigner>();
  readonly #opening = new Map<string, Promise<Signer>>();
  readonly #destroyed = new Set<string>();
  readonly #stop = new AbortController();

  private constructor(parts: TpmKeyStoreParts) {
    this.#parts = parts;
    this.#scheduler = parts.scheduler ?? systemScheduler();
  }

  /** Needs no TPM yet. */
  static async open(parts: TpmKeyStoreParts): Promise<TpmKeyStore> {
    await makeDirectory(parts.directory);
    await removeTemporary(parts.directory, namesIn(parts.directory));
    return new TpmKeyStore(parts);
  }

  async create(
    operatorDomain: string,
    gatewayId: string,
    number: number,
    { late = false }: KeyOptions = {},
  ): Promise<Signer> {
    const { crypto } = this.#parts;
    const seed = (this.#parts.randomBytes ?? randomBytes)(SEED_BYTES);
    const secret = new Secret(seed);
    const key = keyPair(seed);
    seed.fill(0);
    const origin = originFor(crypto, operatorDomain, gatewayId, number, key.publicKey);
    const seal = () => this.#seal(origin, key, secret);
    if (late) return this.#lateOr(origin, key.publicKey, seal, () => secret.wipe());
    return await seal().finally(() => secret.wipe());
  }

  async open(origin: string, { late = false }: KeyOptions = {}): Promise<Signer> {
    const known = this.#signers.get(origin) ?? this.#late.get(origin);
    if (known !== undefined) return known;
    const { publicKey } = this.sealed(origin);
    if (late) return this.#lateOr(origin, publicKey, () => this.#open(origin));
    const opened = this.#open(origin);
    const { patience } = this.#parts;
    if (patience === undefined || patience.leftMs === Number.POSITIVE_INFINITY) return await opened;
    return await patience.spend(UNIT_LIMIT_MS, (limitMs) => this.#within(limitMs, opened));
  }

  isCleared(origin: string): boolean {
    return wasTakenByClear(this.#path(origin));
  }

  /** The TPM was cleared: what was opened before could not be opened again, so nothing more is signed with it. */
  forgetAll(): void {
    for (const signer of this.#signers.values()) signer.forget();
    this.#signers.clear();
    // One that the TPM never had is sealed in it as it is now.
    for (const [origin, late] of this.#late) if (late.isReady) this.#late.delete(origin);
  }

  /** The TPM is asked nothing more, and what it was asked is not waited for; keys that are here go on signing. */
  close(): void {
    this.#stop.abort(new LatchkeyError('KEY_LOCKED', 'the gateway stops'));
    for (const signer of this.#late.values()) signer.giveUp();
  }

  async list(): Promise<readonly string[]> {
    const origins: string[] = [];
    for (const name of namesIn(this.#parts.directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      try {
        const { origin } = readSealedFile(join(this.#parts.directory, name));
        if (parseOrigin(origin).ok && fileName(origin) === name) origins.push(origin);
      } catch (error) {
        // A damaged file is no key; one that cannot be read now must not pass for a lost one.
        if (!(error instanceof LatchkeyError && error.code === 'KEY_LOST')) throw error;
      }
    }
    return origins;
  }

  async destroy(origin: string): Promise<void> {
    this.#destroyed.add(origin);
    const path = this.#path(origin);
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
    this.#signers.get(origin)?.forget();
    this.#signers.delete(origin);
    this.#late.get(origin)?.giveUp();
    this.#late.delete(origin);
  }

  /** What the enrolment service asks about a log key. Throws KEY_LOST or KEY_LOCKED like `open`. */
  sealed(origin: string): SealedKey {
    const path = this.#path(origin);
    if (wasTakenByClear(path)) throw lost(origin, 'the TPM that had sealed it was cleared');
    const sealed = readSealedFile(path);
    const parsed = parseOrigin(origin);
    assert(parsed.ok, 'an origin that this store gave');
    const { domain, gateway, number } = parsed.value;
    const named = originFor(this.#parts.crypto, domain, gateway, number, sealed.publicKey);
    if (sealed.origin !== origin || named !== origin) {
      throw new LatchkeyError('KEY_LOST', `${path} should hold the key of ${origin} and holds another`);
    }
    return sealed;
  }

  /** That this TPM made the sealed object, with the log's public key as outside information: CertifyCreation by the AK. */
  certifyCreation(origin: string): Promise<Attestation> {
    const { box, crypto } = this.#parts;
    const sealed = this.sealed(origin);
    const qualifying = purposeDigest(crypto, 'log-key', sealed.publicKey);
    return this.#work(async (tpm) => {
      const object = await Load(tpm, box.srk, sealed);
      const hash = tpm.crypto.hash(TPM_ALG.SHA256, sealed.creationData);
      return await CertifyCreation(tpm, box.akEntity, object, qualifying, { hash, ticket: sealed.ticket });
    }, origin);
  }

  /** Bytes that wait in a file for a while, sealed as a log key is: only this TPM, in an approved state, gives them. */
  sealAside(secret: Secret): Promise<SealedBlob> {
    const { box, authority } = this.#parts;
    return this.#work(async (tpm) => {
      const template = sealedTemplate(authPolicyOf(tpm.crypto, authority));
      const { privateBlob, publicArea } = await Create(tpm, box.srk, template, { data: secret });
      return { privateBlob, publicArea };
    });
  }

  unsealAside(blob: SealedBlob): Promise<Secret> {
    return this.#work((tpm) => this.#unseal(tpm, blob));
  }

  /** Sealed, opened once, and on the disk. */
  async #seal(origin: string, key: SeedKey, secret: Secret): Promise<Signer> {
    const { box, authority, crypto } = this.#parts;
    const outsideInfo = purposeDigest(crypto, 'log-key', key.publicKey);
    const made = await this.#work((tpm) =>
      Create(tpm, box.srk, sealedTemplate(authPolicyOf(tpm.crypto, authority)), { data: secret, outsideInfo }),
    );
    const { privateBlob, publicArea, creation } = made;
    const sealed: SealedKey = {
      origin,
      publicKey: key.publicKey,
      privateBlob,
      publicArea,
      creationData: creation.data,
      ticket: creation.ticket,
    };
    // A key that cannot be opened again would be lost with this process: it is opened once before it counts.
    const again = await this.#work((tpm) => this.#unseal(tpm, sealed));
    again.wipe();
    // A file that came after would look like a log whose database is gone.
    if (this.#destroyed.has(origin)) throw lost(origin, 'it was destroyed while the TPM sealed it');
    await writeSealedFile(this.#path(origin), sealed);
    return this.#keep(new SeedSigner(origin, key));
  }

  /** Calls that come while the TPM is asked are one. */
  #open(origin: string): Promise<Signer> {
    const opening = this.#opening.get(origin) ?? this.#unsealed(origin).finally(() => this.#opening.delete(origin));
    this.#opening.set(origin, opening);
    opening.catch(() => undefined);
    return opening;
  }

  async #unsealed(origin: string): Promise<Signer> {
    const sealed = this.sealed(origin);
    const secret = await this.#work((tpm) => this.#unseal(tpm, sealed), origin);
    try {
      const key = keyPair(secret.reveal());
      if (!equalBytes(key.publicKey, sealed.publicKey)) {
        throw new LatchkeyError('KEY_LOST', `${this.#path(origin)} holds the key of another log than ${origin}`);
      }
      return this.#keep(new SeedSigner(origin, key));
    } finally {
      secret.wipe();
    }
  }

  /** The key itself when the TPM gives it in a moment; `done` is called when it is not tried any more. */
  async #lateOr(
    origin: string,
    publicKey: Uint8Array,
    get: () => Promise<Signer>,
    done: () => void = () => undefined,
  ): Promise<Signer> {
    const begun = get();
    const { patience } = this.#parts;
    const wait = (limitMs: number) => this.#within(limitMs, begun);
    try {
      const signer = await (patience === undefined ? wait(LATE_WAIT_MS) : patience.spend(LATE_WAIT_MS, wait));
      done();
      return signer;
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'KEY_LOCKED') throw error;
    }
    const late = new LateSigner({ origin, publicKey, scheduler: this.#scheduler, get, begun, done });
    this.#late.set(origin, late);
    return late;
  }

  async #within(limitMs: number, work: Promise<Signer>): Promise<Signer> {
    try {
      return await withTimeout(this.#scheduler, limitMs, 'the TPM', work);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'TIMED_OUT') throw error;
      throw new LatchkeyError('KEY_LOCKED', `the TPM did not give the key in ${Math.round(limitMs)} ms`);
    }
  }

  /** In a policy session; the unit's own session encrypts the answer. */
  async #unseal(tpm: Tpm, sealed: SealedBlob): Promise<Secret> {
    const { box, authority } = this.#parts;
    const { approval, ticket } = await this.#approval(tpm);
    const object = await Load(tpm, box.srk, sealed);
    const policy = await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted' });
    await PolicyPCR(tpm, policy, pcrSelections(approval.pcrs));
    const approved = { policy: approval.policy, policyRef: POLICY_REF, keyName: authority.name, ticket };
    await PolicyAuthorize(tpm, policy, approved);
    return await Unseal(tpm, { ...object, policy });
  }

  /** The approval for the PCRs as they are, and the TPM's ticket that the authority signed it. */
  async #approval(tpm: Tpm): Promise<{ readonly approval: Approval; readonly ticket: Ticket }> {
    const { authority } = this.#parts;
    for (const approval of authority.approvals) {
      const { pcrs } = approval;
      const values = pcrs.length === 0 ? [] : await PCR_Read(tpm, { hashAlg: TPM_ALG.SHA256, pcrs });
      if (!isApproved(approval, pcrPolicy(tpm.crypto, pcrs, values))) continue;
      const key = await LoadExternal(tpm, authority.area, TPM_RH.OWNER);
      const signature = formatEcdsaSignature(approval.signature);
      const ticket = await VerifySignature(tpm, key, approvalDigest(tpm.crypto, approval), signature);
      await tpm.flush(key.handle);
      return { approval, ticket };
    }
    const found = `none of ${authority.approvals.length} approvals is for the PCRs as they are now`;
    throw new LatchkeyError('KEY_LOCKED', `${found}: the machine started other software than its operator approved`);
  }

  /**
   * Nothing that is done here harms when it is done twice: a connection that broke unnoticed, and a TPM that was mended,
   * cost one more try.
   */
  async #work<T>(work: (tpm: Tpm) => Promise<T>, origin?: string): Promise<T> {
    const { box } = this.#parts;
    const signal = within(UNIT_LIMIT_MS, this.#stop.signal);
    try {
      return await box.run(work, signal).catch((error: unknown) => {
        const isCutOff = error instanceof LatchkeyError && error.code === 'TPM_UNAVAILABLE' && !signal.aborted;
        if (isCutOff || box.isMended(error)) return box.run(work, signal);
        throw error;
      });
    } catch (error) {
      throw this.#verdict(error, origin);
    }
  }

  /** KEY_LOST only where this very TPM can never give the key again; whatever else fails may be mended. */
  #verdict(error: unknown, origin: string | undefined): unknown {
    if (error instanceof LatchkeyError && (error.code === 'KEY_LOCKED' || error.code === 'KEY_LOST')) return error;
    const isAbort = error instanceof DOMException;
    if (!(error instanceof LatchkeyError) && !isAbort) return error;
    const text = isAbort ? `the TPM took longer than ${UNIT_LIMIT_MS} ms` : error.message;
    if (origin !== undefined) {
      if (this.isCleared(origin)) return lost(origin, `the TPM that had sealed it was cleared (${text})`, error);
      if (error instanceof TpmRefusedError && error.rc.name === 'INTEGRITY') {
        return lost(origin, `its sealed key is damaged (${text})`, error);
      }
    }
    return new LatchkeyError('KEY_LOCKED', `the TPM does not give the key: ${text}`, { cause: error });
  }

  /** One signer per log, so that destroying its key reaches whoever holds it. */
  #keep(signer: SeedSigner): Signer {
    const known = this.#signers.get(signer.origin);
    if (known !== undefined) return known;
    this.#signers.set(signer.origin, signer);
    return signer;
  }

  #path(origin: string): string {
    return join(this.#parts.directory, fileName(origin));
  }
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(directory);
}

function fileName(origin: string): string {
  const parsed = parseOrigin(origin);
  assert(parsed.ok, `a log's origin, not ${JSON.stringify(origin)}`);
  return `${parsed.value.number}-${parsed.value.tag}${SUFFIX}`;
}

function lost(origin: string, what: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError('KEY_LOST', `the key of ${origin} is gone: ${what}`, { cause });
}
