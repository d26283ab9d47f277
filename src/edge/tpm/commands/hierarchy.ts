/** Hierarchies and lockout (TPM 2.0 Library, Part 3, sections 24 and 25). */
import { TPM_RH } from '../../../tpm2/algorithms.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import { NO_AUTH, type Secret } from '../secret.ts';
import type { Tpm } from '../unit.ts';

/** Sets the authorisation value of a hierarchy, or of the lockout. It is sent encrypted, or not at all if not empty. */
export async function HierarchyChangeAuth(tpm: Tpm, hierarchy: Entity, newAuth: Secret): Promise<void> {
  tpm.assertEncrypting(newAuth);
  const parameters = new TpmWriter().sized(newAuth.reveal()).bytes();
  await tpm.call({ command: 'HierarchyChangeAuth', handles: [hierarchy], parameters, authAfter: newAuth });
}

/** Ends a lockout after too many wrong authorisations. */
export async function DictionaryAttackLockReset(tpm: Tpm, lockout: Entity): Promise<void> {
  await tpm.call({ command: 'DictionaryAttackLockReset', handles: [lockout] });
}

/**
 * Forgets the owner: its keys and NV indices are gone, owner, endorsement and lockout have empty authorisations, the
 * counters of resets start again. By the lockout authorisation, or the platform's.
 */
export async function Clear(tpm: Tpm, by: Entity): Promise<void> {
  const emptied = by.handle === TPM_RH.LOCKOUT;
  await tpm.call({ command: 'Clear', handles: [by], ...(emptied ? { authAfter: NO_AUTH } : {}) });
}

/** Says whether the lockout authorisation may clear: `lockout` can only forbid it, the platform can allow it again. */
export async function ClearControl(tpm: Tpm, by: Entity, disable: boolean): Promise<void> {
  await tpm.call({ command: 'ClearControl', handles: [by], parameters: new TpmWriter().u8(disable ? 1 : 0).bytes() });
}
