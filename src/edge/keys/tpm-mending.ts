/**
 * What a TPM may need before it works again under a running gateway: TPM2_Startup after a reset that nobody followed up,
 * or keys and counter made anew after somebody cleared it.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { TpmClient } from '../tpm/client.ts';
import { Startup } from '../tpm/commands/capability.ts';
import { TpmRefusedError, TpmTamperedError } from '../tpm/errors.ts';
import type { TpmIdentity } from './tpm-identity.ts';

/** `startup`: TPM_RC_INITIALIZE. `strange`: what is pinned is not there, or is something else. */
export type TpmAilment = 'startup' | 'strange';

export function ailmentOf(error: unknown): TpmAilment | undefined {
  if (error instanceof TpmTamperedError) return error.reason === 'pinned_name' ? 'strange' : undefined;
  if (!(error instanceof TpmRefusedError)) return undefined;
  if (error.rc.remedy === 'startup') return 'startup';
  return error.code === 'TPM_MISSING' ? 'strange' : undefined;
}

/**
 * After a glitch on its reset line a TPM answers nothing until TPM2_Startup, which the firmware sends at a boot of the
 * machine only. The box sends it: its PCRs are then those of no boot, which each quote shows, and keys that are sealed to
 * approved PCRs stay shut until the machine boots; but counter and AK work on, and the reset count says what happened.
 */
export async function startUp(client: TpmClient, signal: AbortSignal, logger: Logger): Promise<void> {
  await client.run((tpm) => Startup(tpm, 'clear'), { signal });
  logger.warn({}, 'the TPM was reset and nobody started it: sent TPM2_Startup; its PCRs tell nothing until a boot');
}

/** The identity that a box does not have yet, or has anew. */
export type Provision = (signal: AbortSignal) => Promise<TpmIdentity>;

export function notProvisioned(target: string, cause?: unknown): LatchkeyError {
  const message = `the TPM at ${target} holds nothing of this box yet: its first answer is waited for`;
  return new LatchkeyError('TPM_UNAVAILABLE', message, cause === undefined ? {} : { cause });
}
