/**
 * The rig with a simulated TPM on the daemon's board and somebody on the wires between them, who can hold back and cut.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Interposer, startInterposer } from '../../../simulators/tpm/interposer.ts';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { base64, hex } from '../../../src/base/bytes.ts';
import { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import { readIdentity } from '../../../src/edge/keys/tpm-identity.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import type { LogFinding, Verdict } from '../../../src/evidence/verify/verdict.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { runLatchkey } from '../../support/child.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { testClient } from '../../support/tpm-box.ts';
import { makeRig, type Rig } from './rig.ts';

export interface TpmRig {
  readonly rig: Rig;
  readonly tpm: SimulatedTpm;
  readonly bus: Interposer;
  readonly dir: TempDir;
  close(): Promise<void>;
}

/** Anchors come a second after what they are over, parcel or not. */
const ANCHORS = { parcel_gap_s: 1, entries_gap_s: 1, idle_gap_s: 3_600 };

export async function makeTpmRig(options: { readonly board?: boolean } = {}): Promise<TpmRig> {
  const dir = makeTempDir('tpm');
  const tpm = await openSimulatedTpm({ dir: dir.file('chip') });
  const bus = await startInterposer({ tpm: tpm.address, socketPath: dir.file('bus.sock') });
  const stop = async (): Promise<void> => {
    await bus.close();
    await tpm.stop();
    dir.remove();
  };
  try {
    const keys = { tpm: { socket: dir.file('bus.sock'), anchors: ANCHORS } };
    const rig: Rig = await makeRig({ broker: await startMosquitto(), gateway: { keys }, ...options });
    const close = async (): Promise<void> => {
      await rig.close();
      await stop();
    };
    return { rig, tpm, bus, dir, close };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Members that a policy has for each log of this box; `class` is the one that the enrolment record would say. */
export function policyMembers(rig: Rig, tpmClass: 'hardware' | 'emulated'): object {
  const identity = readIdentity(join(rig.gatewayData, 'keys', 'tpm.json'), nodeTpmCrypto);
  if (identity === undefined) throw new Error('the box was not provisioned');
  const box = new TpmBox(testClient({ kind: 'unix', path: '/nowhere' }), identity, nodeCrypto);
  const enrolment = Buffer.alloc(32, 1).toString('base64url');
  return { ak: base64(box.akSpki), counter: hex(identity.counter.name), class: tpmClass, enrolment };
}

/** Exports a log of the gateway, running or not, and has it verified; answers with what is said of the log. */
export async function verdictOf(
  { rig, dir }: TpmRig,
  tpmClass: 'hardware' | 'emulated',
  log?: { readonly origin: string; readonly vkey: string },
): Promise<{ readonly verdict: Verdict; readonly log: LogFinding; readonly events: readonly CustodyEvent[] }> {
  const { origin, vkey } = log ?? (await rig.statusUntil('the daemon answers', () => true)).log;
  const out = dir.file('export.ndjson');
  const policy = dir.file('verifier.json');
  writeFileSync(policy, JSON.stringify({ v: 1, logs: [{ vkey, ...policyMembers(rig, tpmClass) }] }));
  const config = rig.dir.file('gateway.yaml');
  const exported = await runLatchkey(['journal', 'export', '--config', config, '--log', origin, '--out', out]);
  if (exported.code !== 0) throw new Error(`the export failed: ${exported.err}`);
  const verified = await runLatchkey(['verify', out, '--policy', policy, '--json']);
  const verdict = JSON.parse(verified.out) as Verdict;
  const [finding] = verdict.logs;
  if (finding === undefined) throw new Error(`no log in the verdict: ${verified.out}${verified.err}`);
  const lines = readFileSync(out, 'utf8').split('\n');
  const events = lines.filter((line) => line.includes('"salt"')).map((line) => JSON.parse(line) as CustodyEvent);
  return { verdict, log: finding, events };
}

/** The daemon has made `count` anchors more, and none is under way. */
export async function anchored(rig: Rig, atLeast: number): Promise<number> {
  const status = await rig.statusUntil(`the counter reaches ${atLeast}`, ({ tpm }) => {
    return (tpm?.anchors.counter ?? 0) >= atLeast && tpm?.anchors.state !== 'working';
  });
  return status.tpm?.anchors.counter ?? 0;
}
