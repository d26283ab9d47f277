/**
 * Who says in which state of the machine a log key may be opened: an authority's key signs approvals of PCR values
 * (PolicyAuthorize over PolicyPCR), so that an update of firmware or kernel needs a new approval and no new keys.
 *
 * The operator keeps the authority's private key elsewhere and ships `policy.json` with each image. Without one the box
 * is its own authority and approves no PCRs in particular: the key is then bound to this TPM and to no software, and the
 * settings say so.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { base64, equalBytes, unbase64, unbase64url, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';
import { TPM_ALG } from '../../tpm2/algorithms.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import type { PcrSelection } from '../../tpm2/pcr.ts';
import { authorizedDigest, emptyPolicy, pcrDigest, policyAuthorize, policyPcr } from '../../tpm2/policy.ts';
import { type EccPublic, objectName } from '../../tpm2/public.ts';
import { signerTemplate } from '../../tpm2/templates.ts';

const HASH = TPM_ALG.SHA256;
const FILE_BYTES_MAX = 262_144;
const APPROVALS_MAX = 256;
/** Keeps the authority's signatures for this purpose apart from others. */
export const POLICY_REF = utf8('latchkey-log-key-v1');

export interface Approval {
  readonly pcrs: readonly number[];
  /** The policy digest of PolicyPCR with the approved values, 32 bytes. */
  readonly policy: Uint8Array;
  /** r || s by the authority over SHA-256(policy || POLICY_REF). */
  readonly signature: Uint8Array;
}

export interface PolicyAuthority {
  /** The authority's public key as a TPM loads it. */
  readonly area: EccPublic;
  readonly name: Uint8Array;
  readonly approvals: readonly Approval[];
  /** The box approves its own state: no protection against other software on it. */
  readonly isLocal: boolean;
}

/** What a log key's object has as authPolicy. */
export function authPolicyOf(crypto: TpmCrypto, authority: PolicyAuthority): Uint8Array {
  return policyAuthorize(crypto, HASH, authority.name, POLICY_REF);
}

export function pcrSelections(pcrs: readonly number[]): readonly PcrSelection[] {
  return [{ hashAlg: HASH, pcrs }];
}

/** The policy that these values of these PCRs fulfil. */
export function pcrPolicy(crypto: TpmCrypto, pcrs: readonly number[], values: readonly Uint8Array[]): Uint8Array {
  return policyPcr(crypto, HASH, emptyPolicy(HASH), pcrSelections(pcrs), pcrDigest(crypto, HASH, values));
}

/** Signs an approval; `key` is the authority's P-256 private key. */
export function approve(
  crypto: TpmCrypto,
  key: KeyObject,
  pcrs: readonly number[],
  values: readonly Uint8Array[],
): Approval {
  const policy = pcrPolicy(crypto, pcrs, values);
  const message = new Uint8Array([...policy, ...POLICY_REF]);
  const signature = sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' });
  return { pcrs, policy, signature: Uint8Array.from(signature) };
}

/** What the authority signs of an approval, as TPM2_VerifySignature takes it. */
export function approvalDigest(crypto: TpmCrypto, { policy }: Approval): Uint8Array {
  return authorizedDigest(crypto, HASH, policy, POLICY_REF);
}

const bytesOf = (size: number) =>
  z.string().transform((text, context) => {
    const bytes = unbase64(text);
    if (bytes?.length === size) return bytes;
    context.addIssue({ code: 'custom', message: `expected ${size} bytes in base64` });
    return z.NEVER;
  });

const fileSchema = z.strictObject({
  v: z.literal(1),
  authority: z.string().max(2_048).describe('PEM of a P-256 public key'),
  approvals: z
    .array(
      z.strictObject({
        pcrs: z.array(z.int().min(0).max(23)).max(24),
        policy: bytesOf(32),
        signature: bytesOf(64),
      }),
    )
    .min(1)
    .max(APPROVALS_MAX),
});

/** The operator's authority. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readPolicyFile(path: string, crypto: TpmCrypto): PolicyAuthority {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LatchkeyError('CONFIG_UNREADABLE', `keys.tpm.policy: ${messageOf(error)}`, { cause: error });
  }
  return policyOf(path, text, crypto, false);
}

export function formatPolicyFile(authority: KeyObject, approvals: readonly Approval[]): string {
  const key = authority.type === 'private' ? createPublicKey(authority) : authority;
  const file = {
    v: 1,
    authority: key.export({ type: 'spki', format: 'pem' }),
    approvals: approvals.map(({ pcrs, policy, signature }) => ({
      pcrs,
      policy: base64(policy),
      signature: base64(signature),
    })),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** The box as its own authority: made at the first call, in `directory`; approves the empty selection of PCRs. */
export async function localAuthority(directory: string, crypto: TpmCrypto): Promise<PolicyAuthority> {
  const path = join(directory, 'policy.json');
  try {
    return policyOf(path, readFileSync(path, 'utf8'), crypto, true);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // The private key is used once and never stored: nobody can approve another state under it.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const text = formatPolicyFile(privateKey, [approve(crypto, privateKey, [], [])]);
  await writeFileDurably(path, utf8(text));
  return policyOf(path, text, crypto, true);
}

/** A P-256 private key in PEM: the authority's own, where approvals are made. Throws CONFIG_INVALID. */
export function authorityKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Said below, without a word of what the file holds.
  }
  throw new LatchkeyError('CONFIG_INVALID', 'expected a P-256 private key in PEM; found something else');
}

function policyOf(path: string, text: string, crypto: TpmCrypto, isLocal: boolean): PolicyAuthority {
  const invalid = (found: string): LatchkeyError =>
    new LatchkeyError('CONFIG_INVALID', `${path}: expected a policy of PCR approvals; found: ${found}`);
  if (text.length > FILE_BYTES_MAX) throw invalid(`${text.length} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('no JSON');
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const area = areaOf(parsed.data.authority);
  if (area === undefined) throw invalid('an authority that is no P-256 public key in PEM');
  return { area, name: objectName(crypto, area), approvals: parsed.data.approvals, isLocal };
}

/** The public area under which a key from outside is loaded: its Name is part of the policy, so it never changes. */
function areaOf(pem: string): EccPublic | undefined {
  try {
    const { crv, x, y } = createPublicKey(pem).export({ format: 'jwk' });
    const point = { x: unbase64url(x ?? ''), y: unbase64url(y ?? '') };
    if (crv !== 'P-256' || point.x?.length !== 32 || point.y?.length !== 32) return undefined;
    const template = signerTemplate({ x: point.x, y: point.y });
    return { ...template, attributes: EXTERNAL_ATTRIBUTES };
  } catch {
    return undefined;
  }
}

/** A public key from outside is fixed to nothing: userWithAuth and sign. */
const EXTERNAL_ATTRIBUTES = 0x0004_0040;

/** Whether an approval is for these values. */
export function isApproved(approval: Approval, policy: Uint8Array): boolean {
  return equalBytes(approval.policy, policy);
}
