/** tpm2-tools against a simulated TPM: a client by another hand. Each call connects, asks and disconnects. */
import { runToEnd } from '../../simulators/demo/child-process.ts';
import type { SimulatedTpm } from '../../simulators/tpm/tpm.ts';

/** What `tpm2_<tool>` prints on standard output; throws with what it said when it fails. */
export async function tpm2(tpm: Pick<SimulatedTpm, 'tcti'>, tool: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await runToEnd(`tpm2_${tool}`, args, { env: { TPM2TOOLS_TCTI: tpm.tcti } });
  if (code !== 0) throw new Error(`tpm2_${tool} ended with ${code}: ${err}`);
  return out;
}

export const COUNTER_INDEX = '0x1800001';

/** A counter that is not orderly, incremented once. */
export async function defineCounter(tpm: Pick<SimulatedTpm, 'tcti'>): Promise<void> {
  const attributes = 'authread|authwrite|no_da|nt=counter';
  await tpm2(tpm, 'nvdefine', COUNTER_INDEX, '-C', 'o', '-s', '8', '-a', attributes);
  await increment(tpm);
}

export async function increment(tpm: Pick<SimulatedTpm, 'tcti'>): Promise<void> {
  await tpm2(tpm, 'nvincrement', COUNTER_INDEX, '-C', COUNTER_INDEX);
}

export async function counter(tpm: Pick<SimulatedTpm, 'tcti'>): Promise<number> {
  const out = await tpm2(tpm, 'nvread', COUNTER_INDEX, '-C', COUNTER_INDEX, '--print-yaml');
  return Number(/counter: (\d+)/.exec(out)?.[1] ?? Number.NaN);
}

export interface TpmClock {
  readonly resets: number;
  readonly safe: boolean;
}

export async function readClock(tpm: Pick<SimulatedTpm, 'tcti'>): Promise<TpmClock> {
  const out = await tpm2(tpm, 'readclock');
  return { resets: Number(/reset_count: (\d+)/.exec(out)?.[1] ?? Number.NaN), safe: /safe: yes/.test(out) };
}
