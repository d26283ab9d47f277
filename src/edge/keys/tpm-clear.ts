/**
 * A TPM that was cleared under this box: its storage hierarchy is another one, so everything that it had sealed is gone
 * for good. SRK and counter are made anew; what was pinned is set aside, not destroyed.
 *
 * TPM2_Clear leaves the endorsement hierarchy, and with it the AK. So nobody on the bus can feign a clear, in order to have
 * log keys sealed to a key of his own: the pinned AK must certify the new SRK. It proves nothing to anybody else: the log
 * says `tpm_cleared`, verifiers see the resets count anew, and the box must be enrolled again.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import { TPM_RH } from '../../tpm2/algorithms.ts';
import { parseAttest } from '../../tpm2/attest.ts';
import { parseEcdsaSignature } from '../../tpm2/signature.ts';
import { SRK_P256 } from '../../tpm2/templates.ts';
import type { TpmClient } from '../tpm/client.ts';
import { type Attestation, Certify } from '../tpm/commands/attest.ts';
import { CreatePrimary } from '../tpm/commands/object.ts';
import { protect } from '../tpm/commands/session.ts';
import { permanent } from '../tpm/entity.ts';
import { makeIdentity } from './provision-tpm.ts';
import { spkiOf } from './spki.ts';
import { AK_HANDLE, AK_TEMPLATE, SRK_HANDLE, type TpmIdentity, writeIdentity } from './tpm-identity.ts';

const CLEARED = /\.cleared-([0-9]{1,6})$/;
const NONCE_BYTES = 32;

export interface RenewalParts {
  readonly client: TpmClient;
  readonly crypto: EvidenceCrypto;
  /** `<data_dir>/keys/tpm.json`. */
  readonly path: string;
  /** What is pinned there. */
  readonly identity: TpmIdentity;
  readonly logger: Logger;
}

/**
 * The identity of this box in its cleared TPM, stored when this resolves. Rejects with TPM_MISSING when it was not cleared:
 * it is another TPM, or what is pinned was taken out of it; nothing is made then. With TPM_TAMPERED when the pinned AK
 * does not vouch for the new SRK, and like `makeIdentity`.
 */
export async function renewIdentity(parts: RenewalParts, signal: AbortSignal): Promise<TpmIdentity> {
  const { client, path, identity, logger } = parts;
  if (!(await isCleared(client, identity, signal))) {
    const found = 'another TPM, or one out of which they were taken';
    throw new LatchkeyError(
      'TPM_MISSING',
      `expected the keys of this box in the TPM at ${client.target}; found ${found}`,
    );
  }
  const made = await makeIdentity(client, signal);
  await proveStorageKey(parts, made, signal);
  const nth = await setAside(path);
  await writeIdentity(path, made);
  const keep = `${path}.cleared-${nth}`;
  logger.error(
    { kept: keep },
    'the TPM was cleared: what it had sealed is gone; keys and counter are new: enrol again',
  );
  return made;
}

/** How often the TPM of this box was cleared, as far as it was noticed. */
export function timesCleared(path: string): number {
  const name = `${path}.cleared-`;
  let nth = 0;
  while (existsSync(`${name}${nth + 1}`)) nth += 1;
  return nth;
}

/** Whether a clear took the key in this file along. */
export function wasTakenByClear(path: string): boolean {
  return timesOf(dirname(path)).some((nth) => existsSync(`${path}.cleared-${nth}`));
}

/** This TPM by its endorsement key, and yet another storage hierarchy: only TPM2_Clear does that. */
function isCleared(client: TpmClient, { ak, srk }: TpmIdentity, signal: AbortSignal): Promise<boolean> {
  return client.run(
    async (tpm) => {
      const again = await CreatePrimary(tpm, permanent(TPM_RH.ENDORSEMENT), AK_TEMPLATE);
      if (!equalBytes(again.object.name, ak.name)) return false;
      const owner = await CreatePrimary(tpm, permanent(TPM_RH.OWNER), SRK_P256);
      return !equalBytes(owner.object.name, srk.name);
    },
    { signal },
  );
}

async function proveStorageKey(parts: RenewalParts, made: TpmIdentity, signal: AbortSignal): Promise<void> {
  const { client, crypto, identity } = parts;
  const { srk } = made;
  if (!equalBytes(made.ak.name, identity.ak.name)) throw unproven('another AK than the pinned one');
  const nonce = Uint8Array.from(randomBytes(NONCE_BYTES));
  const signed = await client.run(
    async (tpm): Promise<Attestation> => {
      await protect(tpm, { handle: SRK_HANDLE, area: srk.area, pinnedName: srk.name });
      const storage = { handle: SRK_HANDLE, name: srk.name };
      return await Certify(tpm, storage, { handle: AK_HANDLE, name: made.ak.name }, nonce);
    },
    { signal },
  );
  const found = storageProofFault(crypto, { ak: spkiOf(identity.ak), storage: srk.name, nonce }, signed);
  if (found !== undefined) throw unproven(found);
}

/** What is wrong with a certificate by the AK (SubjectPublicKeyInfo) over the storage key of that Name; undefined: nothing. */
export function storageProofFault(
  crypto: EvidenceCrypto,
  wanted: { readonly ak: Uint8Array; readonly storage: Uint8Array; readonly nonce: Uint8Array },
  signed: Attestation,
): string | undefined {
  const signature = parseEcdsaSignature(signed.signature);
  if (!signature.ok || !crypto.verifyEcdsaP256(wanted.ak, signed.attest, signature.value)) {
    return 'a certificate that the pinned AK did not sign';
  }
  const attest = parseAttest(signed.attest);
  if (!attest.ok || !equalBytes(attest.value.extraData, wanted.nonce)) return 'a certificate of another time';
  const { body } = attest.value;
  return body.kind === 'certify' && equalBytes(body.name, wanted.storage)
    ? undefined
    : 'a certificate of something else';
}

/** Sealed keys first: a cut in between leaves keys that count as taken by the clear, and the rest is done again. */
async function setAside(path: string): Promise<number> {
  const directory = dirname(path);
  const nth = timesCleared(path) + 1;
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('.sealed')) continue;
    await rename(join(directory, name), join(directory, `${name}.cleared-${nth}`));
  }
  await syncDirectory(directory);
  await writeFileDurably(`${path}.cleared-${nth}`, readFileSync(path));
  return nth;
}

function timesOf(directory: string): readonly number[] {
  return [...new Set(readdirSync(directory).flatMap((name) => Number(CLEARED.exec(name)?.[1] ?? [])))];
}

function unproven(found: string): LatchkeyError {
  const expected = 'expected the pinned AK to certify the new SRK of a TPM that says it was cleared';
  return new LatchkeyError('TPM_TAMPERED', `${expected}; found ${found}`);
}
