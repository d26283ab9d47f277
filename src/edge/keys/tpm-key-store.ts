/**
 * Log keys sealed in this box's TPM: one Ed25519 seed per log, under the SRK, opened only in a state of the PCRs that the
 * policy's authority approved. An opened seed signs from memory at full speed, so a TPM that goes away later stops no log.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { purposeDigest } from '../../evidence/anchor/statement.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { originFor, parseOrigin } from '../../evidence/log/origin.ts';
import { makeDirectory, removeTemporary, syncDirectory } from '../../platform/durable-file.ts';
import { TPM_ALG, TPM_RH } from '../../tpm2/algorithms.ts';
import { formatEcdsaSignature } from '../../tpm2/signature.ts';
import { SRK_P256, sealedTemplate } from '../../tpm2/templates.ts';
import type { Ticket } from '../../tpm2/ticket.ts';
import type { KeyStore, Signer } from '../contracts/signer.ts';
import { type Attestation, CertifyCreation, VerifySignature } from '../tpm/commands/attest.ts';
import { Create, CreatePrimary, Load, LoadExternal, Unseal } from '../tpm/commands/object.ts';
import { PCR_Read } from '../tpm/commands/pcr.ts';
import { PolicyAuthorize, PolicyPCR } from '../tpm/commands/policy.ts';
import { StartAuthSession } from '../tpm/commands/session.ts';
import { permanent } from '../tpm/entity.ts';
import { TpmRefusedError } from '../tpm/errors.ts';
import { Secret } from '../tpm/secret.ts';
import type { Tpm } from '../tpm/unit.ts';
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
import { keyPair, SEED_BYTES, SeedSigner } from './seed-signer.ts';
import type { TpmBox } from './tpm-box.ts';
import { AK_TEMPLATE } from './tpm-identity.ts';

const SUFFIX = '.sealed';
/** Longest time for one key: a slow chip takes two seconds, a hanging one must not hold the journal up. */
const UNIT_LIMIT_MS = 60_000;

export interface TpmKeyStoreParts {
  /** `<data_dir>/keys`. */
  readonly directory: string;
  readonly box: TpmBox;
  readonly authority: PolicyAuthority;
  readonly crypto: EvidenceCrypto;
  /** Where seeds come from: the system's generator unless a test wants to know them. */
  readonly randomBytes?: (sizeBytes: number) => Uint8Array;
}

export class TpmKeyStore implements KeyStore {
  readonly kind = 'tpm';
  readonly #parts: TpmKeyStoreParts;
  readonly #signers = new Map<string, SeedSigner>();

  private constructor(parts: TpmKeyStoreParts) {
    this.#parts = parts;
  }

  /** Needs no TPM yet. */
  static async open(parts: TpmKeyStoreParts): Promise<TpmKeyStore> {
    await makeDirectory(parts.directory);
    await removeTemporary(parts.directory, namesIn(parts.directory));
    return new TpmKeyStore(parts);
  }

  async create(operatorDomain: string, gatewayId: string, number: number): Promise<Signer> {
    const { box, authority, crypto } = this.#parts;
    const seed = (this.#parts.randomBytes ?? randomBytes)(SEED_BYTES);
    const secret = new Secret(seed);
    try {
      const key = keyPair(seed);
      const origin = originFor(crypto, operatorDomain, gatewayId, number, key.publicKey);
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
      await writeSealedFile(this.#path(origin), sealed);
      return this.#keep(new SeedSigner(origin, key));
    } finally {
      secret.wipe();
      seed.fill(0);
    }
  }

  async open(origin: string): Promise<Signer> {
    const known = this.#signers.get(origin);
    if (known !== undefined) return known;
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
    const path = this.#path(origin);
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
    this.#signers.get(origin)?.forget();
    this.#signers.delete(origin);
  }

  /** What the enrolment service asks about a log key. Throws KEY_LOST or KEY_LOCKED like `open`. */
  sealed(origin: string): SealedKey {
    const path = this.#path(origin);
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

  /** Nothing that is done here harms when it is done twice: a connection that broke unnoticed costs one more try. */
  async #work<T>(work: (tpm: Tpm) => Promise<T>, origin?: string): Promise<T> {
    const { box } = this.#parts;
    const signal = AbortSignal.timeout(UNIT_LIMIT_MS);
    try {
      return await box.run(work, signal).catch((error: unknown) => {
        const isCutOff = error instanceof LatchkeyError && error.code === 'TPM_UNAVAILABLE' && !signal.aborted;
        if (isCutOff) return box.run(work, signal);
        throw error;
      });
    } catch (error) {
      throw await this.#verdict(error, origin);
    }
  }

  /**
   * KEY_LOST only where this very TPM, as it was enrolled, can never give the key again; whatever else fails may be
   * mended. A TPM that was cleared is not the enrolled one: entries go on being recorded, and a person decides.
   */
  async #verdict(error: unknown, origin: string | undefined): Promise<unknown> {
    if (error instanceof LatchkeyError && (error.code === 'KEY_LOCKED' || error.code === 'KEY_LOST')) return error;
    const isAbort = error instanceof DOMException;
    if (!(error instanceof LatchkeyError) && !isAbort) return error;
    const text = isAbort ? `the TPM took longer than ${UNIT_LIMIT_MS} ms` : error.message;
    if (origin !== undefined && error instanceof TpmRefusedError) {
      if (error.rc.name === 'INTEGRITY') return lost(origin, `its sealed key is damaged (${text})`, error);
      if (error.code === 'TPM_MISSING' && (await this.#isCleared())) {
        return cleared(error);
      }
    }
    return new LatchkeyError('KEY_LOCKED', `the TPM does not give the key: ${text}`, { cause: error });
  }

  /**
   * This TPM by its endorsement keys, and yet another storage hierarchy: only TPM2_Clear does that. Whoever sits on the
   * bus can feign it: it is only told.
   */
  async #isCleared(): Promise<boolean> {
    const { box } = this.#parts;
    const { ak, srk } = box.identity;
    try {
      return await box.bare(async (tpm) => {
        const again = await CreatePrimary(tpm, permanent(TPM_RH.ENDORSEMENT), AK_TEMPLATE);
        if (!equalBytes(again.object.name, ak.name)) return false;
        const owner = await CreatePrimary(tpm, permanent(TPM_RH.OWNER), SRK_P256);
        return !equalBytes(owner.object.name, srk.name);
      }, AbortSignal.timeout(UNIT_LIMIT_MS));
    } catch {
      // It does not answer: that it was cleared is not known.
      return false;
    }
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

/** The counter and every sealed key are gone: `provisionTpm` would make others, once a person has said so. */
function cleared(cause: unknown): LatchkeyError {
  const what = 'the TPM was cleared, and what it had sealed is gone for good';
  return new LatchkeyError('KEY_LOCKED', `${what}: move keys/tpm.json away and enrol this box again`, { cause });
}

function lost(origin: string, what: string, cause: unknown): LatchkeyError {
  return new LatchkeyError('KEY_LOST', `the key of ${origin} is gone: ${what}`, { cause });
}
