/**
 * Flushes every transient object and session of a TPM that one process has for itself. A process that died, or a command
 * whose answer got lost, leaves handles that nobody knows, and after three the TPM takes no more.
 */
import { TPM_HT } from '../../tpm2/algorithms.ts';
import { TpmWriter } from '../../tpm2/wire.ts';
import { getHandles } from './commands/capability.ts';
import { TpmRefusedError } from './errors.ts';
import type { Tpm } from './unit.ts';

/** Loaded objects, loaded sessions, and sessions that somebody saved and never loaded again. */
const LEFT_OVER = [TPM_HT.TRANSIENT, TPM_HT.HMAC_SESSION, TPM_HT.POLICY_SESSION] as const;

/** How many handles were flushed. */
export async function reclaim(tpm: Tpm): Promise<number> {
  let flushed = 0;
  for (const type of LEFT_OVER) {
    for (const handle of await getHandles(tpm, type)) {
      try {
        await tpm.call({ command: 'FlushContext', parameters: new TpmWriter().u32(handle).bytes() });
        flushed += 1;
      } catch (error) {
        // A saved session is listed with the wrong type of handle by some chips; it stays, and does no harm.
        if (!(error instanceof TpmRefusedError)) throw error;
      }
    }
  }
  return flushed;
}
