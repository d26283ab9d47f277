/**
 * What an operator asks this box's TPM: how it is, beside what is pinned, and its PCRs for an approval. Nothing is
 * changed in it. A simulated TPM serves one client, so there the gateway must not run meanwhile.
 */

import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { within } from '../../base/abort.ts';
import { equalBytes, hex } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { nodeTpmCrypto } from '../../platform/tpm-crypto.ts';
import { TPM_ALG, TPM_HT } from '../../tpm2/algorithms.ts';
import { readProperties, type TpmProperties } from '../keys/endorsement.ts';
import { type Approval, approve, formatPolicyFile, readPolicyFile } from '../keys/policy-authority.ts';
import { QUOTED_PCRS } from '../keys/tpm-box.ts';
import { AK_HANDLE, LOGIN_HANDLE, readIdentity, SRK_HANDLE, type TpmIdentity } from '../keys/tpm-identity.ts';
import { TpmClient } from '../tpm/client.ts';
import {
  getHandles,
  getPermanent,
  getProperties,
  type PermanentState,
  ReadClock,
  TPM_PT,
} from '../tpm/commands/capability.ts';
import { NV_ReadPublic, nvReadCounter } from '../tpm/commands/nv.ts';
import { ReadPublic } from '../tpm/commands/object.ts';
import { PCR_Read } from '../tpm/commands/pcr.ts';
import { openTransport } from '../tpm/open-transport.ts';
import type { Tpm } from '../tpm/unit.ts';
import { tpmAddress } from './key-settings.ts';
import { storedEnrolment } from './own-enrolment.ts';
import type { GatewaySettings } from './settings.ts';

const LIMIT_MS = 60_000;

export interface PinnedShown {
  readonly agrees: boolean;
  /** Hex. */
  readonly names: readonly { readonly name: string; readonly pinned: string; readonly found: string | undefined }[];
  readonly counter: number | undefined;
  readonly first: number;
}

export interface TpmShown {
  readonly target: string;
  readonly properties: TpmProperties;
  readonly permanent: PermanentState;
  readonly lockout: { readonly failures: number; readonly failuresMax: number; readonly recovery_s: number };
  readonly clock: {
    readonly clock_ms: number;
    readonly resets: number;
    readonly restarts: number;
    readonly safe: boolean;
  };
  readonly pcrs: readonly { readonly pcr: number; readonly value: string }[];
  /** What `keys/tpm.json` names; undefined before the first start. */
  readonly pinned: PinnedShown | undefined;
  readonly enrolment: { readonly class: string; readonly log: string; readonly record: string } | undefined;
}

/** Rejects with the TPM's codes, and with USAGE for a gateway with software keys. */
export async function showTpm(settings: GatewaySettings, signal: AbortSignal): Promise<TpmShown> {
  const identity = readIdentity(join(settings.gateway.data_dir, 'keys', 'tpm.json'), nodeTpmCrypto);
  const stored = storedEnrolment(settings);
  const enrolment = stored && { class: stored.record.class, log: stored.record.log.name, record: stored.hash };
  return withTpm(settings, signal, async (tpm, target) => {
    const found = await getProperties(tpm, TPM_PT.PERMANENT);
    const number = (property: number): number => (found.get(property) ?? 0) >>> 0;
    const { clockMs, resetCount: resets, restartCount: restarts, safe } = await ReadClock(tpm);
    return {
      target,
      properties: await readProperties(tpm),
      permanent: await getPermanent(tpm),
      lockout: {
        failures: number(TPM_PT.LOCKOUT_COUNTER),
        failuresMax: number(TPM_PT.MAX_AUTH_FAIL),
        recovery_s: number(TPM_PT.LOCKOUT_RECOVERY),
      },
      clock: { clock_ms: Number(clockMs), resets, restarts, safe },
      pcrs: await pcrsOf(tpm),
      pinned: identity && (await pinnedOf(tpm, identity)),
      enrolment,
    };
  });
}

async function pcrsOf(tpm: Tpm): Promise<TpmShown['pcrs']> {
  const pcrs = QUOTED_PCRS.flatMap((selection) => selection.pcrs);
  const values = await PCR_Read(tpm, { hashAlg: TPM_ALG.SHA256, pcrs });
  return values.map((value, i) => ({ pcr: pcrs[i] ?? 0, value: hex(value) }));
}

async function pinnedOf(tpm: Tpm, identity: TpmIdentity): Promise<PinnedShown> {
  const handles = await getHandles(tpm, TPM_HT.PERSISTENT);
  const indices = await getHandles(tpm, TPM_HT.NV_INDEX);
  const { srk, ak, login, counter } = identity;
  const wanted = [
    { name: 'SRK', handle: SRK_HANDLE, own: srk.name },
    { name: 'AK', handle: AK_HANDLE, own: ak.name },
    { name: 'login key', handle: LOGIN_HANDLE, own: login.name },
  ];
  const names: { name: string; pinned: string; found: string | undefined }[] = [];
  for (const { name, handle, own } of wanted) {
    const object = handles.includes(handle) ? (await ReadPublic(tpm, handle)).object : undefined;
    names.push({ name, pinned: hex(own), found: object && hex(object.name) });
  }
  const index = indices.includes(counter.index) ? await NV_ReadPublic(tpm, counter.index) : undefined;
  names.push({ name: 'counter', pinned: hex(counter.name), found: index && hex(index.name) });
  const isOwn = index !== undefined && equalBytes(index.name, counter.name);
  const value = isOwn ? Number(await nvReadCounter(tpm, index, index)) : undefined;
  return { agrees: names.every((each) => each.found === each.pinned), names, counter: value, first: counter.first };
}

export interface ApprovalRequest {
  /** The authority's private key. */
  readonly key: KeyObject;
  readonly pcrs: readonly number[];
  /** The policy to add to, if there is one. */
  readonly policyPath: string | undefined;
}

/** A policy file with the present values of these PCRs approved; `isNew` unless they were before. */
export function approvePcrs(
  settings: GatewaySettings,
  request: ApprovalRequest,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly isNew: boolean; readonly count: number }> {
  const { key, pcrs, policyPath } = request;
  const known = policyPath === undefined ? [] : approvalsOf(policyPath, key);
  return withTpm(settings, signal, async (tpm) => {
    const values = await PCR_Read(tpm, { hashAlg: TPM_ALG.SHA256, pcrs });
    const made = approve(nodeTpmCrypto, key, pcrs, values);
    const isNew = !known.some(({ policy }) => equalBytes(policy, made.policy));
    const approvals = isNew ? [...known, made] : known;
    return { text: formatPolicyFile(key, approvals), isNew, count: approvals.length };
  });
}

/** Approvals of another authority are worth nothing under this one's name. */
function approvalsOf(path: string, key: KeyObject): readonly Approval[] {
  const { approvals, area } = readPolicyFile(path, nodeTpmCrypto);
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  if (x !== Buffer.from(area.unique.x).toString('base64url')) {
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `${path}: expected the policy of this authority; found another's key in it`,
    );
  }
  return approvals;
}

async function withTpm<T>(
  settings: GatewaySettings,
  stop: AbortSignal,
  ask: (tpm: Tpm, target: string) => Promise<T>,
): Promise<T> {
  if (settings.keys === 'software') {
    throw new LatchkeyError('USAGE', 'expected a gateway with keys in a TPM (keys.tpm); found keys: software');
  }
  const scheduler = systemScheduler();
  const transport = openTransport(tpmAddress(settings.keys.tpm), scheduler);
  const client = new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler });
  try {
    const signal = within(LIMIT_MS, stop);
    return await client.run((tpm) => ask(tpm, client.target), { signal });
  } finally {
    await client.close();
  }
}
