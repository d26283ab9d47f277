/**
 * Power that goes in the middle of an anchor: SIGKILL of the daemon and of its TPM, after each of the six steps. The
 * interposer sees the commands pass, so a cut is at one of them and not at a time.
 */
import type { Meddling } from '../../../simulators/tpm/interposer.ts';
import { packetCode } from '../../../simulators/tpm/packets.ts';
import { TPM_CC } from '../../../src/tpm2/algorithms.ts';
import { ended } from './rig.ts';
import { anchored, type TpmRig } from './tpm-rig.ts';

/** By what is done when the power goes. */
export const CUT_POINTS = [
  /** 1: entries and note. */
  'entries',
  /** 2: the intent; the command to increment never arrives. */
  'intent',
  /** 3: the increment; nobody hears of it. */
  'increment',
  /** 4: the certificate; nobody hears of it. */
  'certificate',
  /** 5: some moment while `anchor.made` becomes durable. */
  'entry',
  /** 6: it is durable, and on its way. */
  'sent',
] as const;
export type CutPoint = (typeof CUT_POINTS)[number];

const NV_INCREMENT = TPM_CC.NV_Increment;
const NV_CERTIFY = TPM_CC.NV_Certify;
const HANG_UP: Meddling = { kind: 'cut' };
const PASS: Meddling = { kind: 'pass' };

/** Scans, cuts there, starts both again, and waits until anchors are made once more. */
export async function cutAt(box: TpmRig, point: CutPoint, delayMs: number): Promise<void> {
  const { rig, tpm, bus } = box;
  const { counter = 0 } = (await rig.statusUntil('the daemon answers', () => true)).tpm?.anchors ?? {};
  const killed = new Promise<void>((resolve) => {
    const kill = (): void => {
      rig.gateway.signal('SIGKILL');
      resolve();
    };
    const later = (): void => void setTimeout(kill, delayMs);
    bus.meddle({
      command: (command) => {
        if (point !== 'intent' || packetCode(command) !== NV_INCREMENT) return PASS;
        kill();
        return HANG_UP;
      },
      response: (_response, command) => {
        const code = packetCode(command);
        const isHere =
          (point === 'increment' && code === NV_INCREMENT) || (point === 'certificate' && code === NV_CERTIFY);
        if (isHere) kill();
        if (point === 'entry' && code === NV_CERTIFY) later();
        return isHere ? HANG_UP : PASS;
      },
    });
    if (point === 'entries') later();
    if (point === 'sent') void anchored(rig, counter + 1).then(later);
  });
  rig.feed.scan(2);
  await killed;
  await Promise.all([ended(rig.gateway), tpm.powerOff()]);
  bus.meddle();
  await tpm.start();
  await rig.startGateway();
  rig.feed.scan(1);
  await anchored(rig, counter + 1);
}

/** What is wrong with the counter values in the open log: each one above the one before, twins aside. */
export function counterFaults(events: readonly { readonly type: string; readonly data: unknown }[]): readonly string[] {
  const counters = events.flatMap(({ type, data }) => {
    return type === 'anchor.made' ? [(data as { readonly counter: number }).counter] : [];
  });
  const values = [...new Set(counters)];
  const faults = values.flatMap((value, i) =>
    i > 0 && value !== (values[i - 1] ?? 0) + 1 ? [`${value} is not next`] : [],
  );
  return values.length === 0 ? ['there is no anchor'] : faults;
}
