/**
 * The authorisations of owner and lockout of this box's TPM: random, handed over to the enrolment service sealed to a
 * key that stays offline, and then set. With them nobody on the box can take its TPM over, and with Clear forbidden
 * nobody without them forgets its keys. The box works without them, and keeps none.
 *
 * They are set after the service has them for sure, and until they are set they wait in a file, sealed in the TPM: cut
 * anywhere, the next run goes on. No step needs a guess: a wrong one would lock the lockout authorisation.
 */
import { randomBytes } from 'node:crypto';
import { base64url, concatBytes, utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { TPM_RH } from '../../tpm2/algorithms.ts';
import { getPermanent, type PermanentState } from '../tpm/commands/capability.ts';
import { ClearControl, HierarchyChangeAuth } from '../tpm/commands/hierarchy.ts';
import { permanent } from '../tpm/entity.ts';
import { Secret } from '../tpm/secret.ts';
import type { Tpm } from '../tpm/unit.ts';

const AUTH_BYTES = 32;

export interface Authorisations {
  readonly owner: Secret;
  readonly lockout: Secret;
}

/** What of them this TPM holds already: somebody set it, and here it is neither known nor changed. */
export interface KeptAuthorisations {
  readonly owner: boolean;
  readonly lockout: boolean;
}

export function newAuthorisations(): Authorisations {
  const bytes = randomBytes(2 * AUTH_BYTES);
  try {
    return authorisationsOf(bytes);
  } finally {
    bytes.fill(0);
  }
}

/** Owner, then lockout. */
export function authorisationBytes({ owner, lockout }: Authorisations): Secret {
  const whole = concatBytes(owner.reveal(), lockout.reveal());
  const secret = new Secret(whole);
  whole.fill(0);
  return secret;
}

export function authorisationsOf(bytes: Uint8Array): Authorisations {
  if (bytes.length !== 2 * AUTH_BYTES) {
    throw new LatchkeyError('KEY_LOST', `expected two authorisations of ${AUTH_BYTES} bytes; found another size`);
  }
  return { owner: new Secret(bytes.subarray(0, AUTH_BYTES)), lockout: new Secret(bytes.subarray(AUTH_BYTES)) };
}

export function wipeAuthorisations({ owner, lockout }: Authorisations): void {
  owner.wipe();
  lockout.wipe();
}

/** What stands in the escrow: JSON, the bytes in base64url; what was set before is only named. */
export function escrowText(gateway: string, authorisations: Authorisations, kept: KeptAuthorisations): Uint8Array {
  const { owner, lockout } = authorisations;
  const text = {
    v: 1,
    gateway,
    ...(!kept.lockout && { lockout: base64url(lockout.reveal()) }),
    ...(!kept.owner && { owner: base64url(owner.reveal()) }),
    kept: (['lockout', 'owner'] as const).filter((name) => kept[name]),
  };
  return utf8(`${JSON.stringify(text)}\n`);
}

export function keptOf({ ownerAuthSet, lockoutAuthSet }: PermanentState): KeptAuthorisations {
  return { owner: ownerAuthSet, lockout: lockoutAuthSet };
}

/**
 * Forbids Clear and sets what is not set, in a protected unit. Whatever step a crash left it at, it goes on from there:
 * Clear is forbidden while the lockout authorisation is still empty, so a set one means that this is done, or that the
 * TPM's lockout was somebody else's before.
 */
export async function setAuthorisations(tpm: Tpm, { owner, lockout }: Authorisations): Promise<PermanentState> {
  const before = await getPermanent(tpm);
  if (!before.lockoutAuthSet) {
    if (!before.disableClear) await ClearControl(tpm, permanent(TPM_RH.LOCKOUT), true);
    await HierarchyChangeAuth(tpm, permanent(TPM_RH.LOCKOUT), lockout);
  }
  if (!before.ownerAuthSet) await HierarchyChangeAuth(tpm, permanent(TPM_RH.OWNER), owner);
  return getPermanent(tpm);
}
