/** Boxes with a simulated TPM each, and somebody who speaks to that TPM while the daemon is off. */
import { afterAll } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import type { Tpm } from '../../../src/edge/tpm/unit.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { testClient } from '../../support/tpm-box.ts';
import { RealBox, type RealBoxOptions } from './real-box.ts';

export const LIMIT_MS = 60_000;
export const root = makeTempDir('attacks');
const ends: (() => Promise<unknown>)[] = [];
let count = 0;

afterAll(async () => {
  for (const end of ends.reverse()) await end();
  root.remove();
});

/** Before anything that was there earlier. */
export function atEnd(work: () => Promise<unknown>): void {
  ends.push(work);
}

export async function makeTpm(): Promise<SimulatedTpm> {
  count += 1;
  const tpm = await openSimulatedTpm({ dir: root.file(`tpm-${count}`), vendorDir: root.file('vendor') });
  atEnd(() => tpm.stop());
  return tpm;
}

export async function makeBox(tpm?: SimulatedTpm, options?: RealBoxOptions): Promise<RealBox> {
  count += 1;
  const box = new RealBox(tpm ?? (await makeTpm()), root.file(`box-${count}`), options);
  atEnd(() => box.end());
  return box;
}

/** The daemon is off: a TPM serves one connection. */
export async function byHand<T>({ tpm }: RealBox, work: (unit: Tpm) => Promise<T>): Promise<T> {
  const client = testClient(tpm.address);
  try {
    return await client.run(work);
  } finally {
    await client.close();
  }
}
