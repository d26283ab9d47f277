/** The demo's TPM: swtpm when it is installed; otherwise the keys are files, and that is said. */
import { LatchkeyError } from '../../src/base/errors.ts';
import { openSimulatedTpm, type SimulatedTpm } from '../tpm/tpm.ts';

export async function demoTpm(dir: string, say: (text: string) => void): Promise<SimulatedTpm | undefined> {
  try {
    const tpm = await openSimulatedTpm({ dir, name: 'demo' });
    say('a simulated TPM seals the keys of the gateway and anchors its log');
    return tpm;
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'NEEDS_MISSING') throw error;
    say('no swtpm is installed, so the keys of the gateway are files, and nothing is anchored');
    return undefined;
  }
}
