/**
 * Power that goes in the middle of an anchor, after each of the six steps: SIGKILL of the daemon, of its TPM, or of both.
 * The interposer sees the commands pass, so a cut is at one of them and not at a time.
 *
 * Cuts make a chain in one history: each start of the daemon finishes what the cut before it left, and then anchors at
 * once, and there the next cut falls.
 */
import type { Meddling } from '../../../simulators/tpm/interposer.ts';
import { packetCode } from '../../../simulators/tpm/packets.ts';
import { TPM_CC } from '../../../src/tpm2/algorithms.ts';
import { until } from '../../support/until.ts';
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

/** Whose power goes. */
export const CUT_VICTIMS = ['daemon', 'tpm', 'both'] as const;
export type CutVictim = (typeof CUT_VICTIMS)[number];

const NV_INCREMENT = TPM_CC.NV_Increment;
const NV_CERTIFY = TPM_CC.NV_Certify;
const HANG_UP: Meddling = { kind: 'cut' };
const PASS: Meddling = { kind: 'pass' };
const LIMIT_MS = 60_000;

export class CutChain {
  readonly #box: TpmRig;
  #counter: number | undefined;
  /** The last cut left an intent whose increment the TPM never saw: it is the first one that comes by. */
  #isIncrementOwed = false;
  #isOff = false;
  #powerOff: Promise<void> | undefined;

  constructor(box: TpmRig) {
    this.#box = box;
  }

  /** Anchors, and cuts there; where the bus does not show the point, `delayMs` after what it does show. */
  async cut(victim: CutVictim, point: CutPoint, delayMs: number): Promise<void> {
    const { rig, tpm } = this.#box;
    if (victim === 'tpm') await this.end();
    else await this.#switchOff();
    let isCut = false;
    const cut = (): void => {
      if (isCut) return;
      isCut = true;
      if (victim !== 'tpm') rig.gateway.signal('SIGKILL');
      if (victim !== 'daemon') this.#powerOff = tpm.powerOff();
    };
    const later = (): void => void setTimeout(cut, delayMs);
    this.#aim(point, cut, later);
    this.#isIncrementOwed = point === 'intent' && victim !== 'tpm';
    const before = rig.feed.connections;
    if (victim === 'tpm') rig.feed.scan(2);
    else rig.spawnGateway();
    if (point === 'entries' || point === 'sent') {
      // The pace gives a second until the next anchor.
      this.#counter = await anchored(rig, (this.#counter ?? 0) + 1);
      await until('the scanner is connected', () => victim === 'tpm' || rig.feed.connections > before, LIMIT_MS);
      if (point === 'entries') rig.feed.scan(2);
      later();
    }
    await until('the power goes', () => isCut, LIMIT_MS);
    if (victim === 'tpm') return this.#restore();
    this.#isOff = true;
    const end = await ended(rig.gateway);
    if (end !== 'killed') throw new Error(`the daemon ended by itself (${end})${rig.gateway.tail()}`);
    await this.#restore();
  }

  /** Both run, and an anchor was made after the last cut. */
  async end(): Promise<void> {
    const { rig } = this.#box;
    if (this.#isOff) await rig.startGateway();
    const wasCut = this.#isOff || this.#powerOff !== undefined;
    this.#isOff = false;
    this.#powerOff = undefined;
    if (wasCut) rig.feed.scan(1);
    this.#counter = await anchored(rig, wasCut ? (this.#counter ?? 0) + 1 : 0);
  }

  async #switchOff(): Promise<void> {
    const { rig } = this.#box;
    if (this.#isOff) return;
    this.#counter = await anchored(rig, 0);
    rig.gateway.signal('SIGKILL');
    await ended(rig.gateway);
    this.#isOff = true;
  }

  async #restore(): Promise<void> {
    const { bus, tpm } = this.#box;
    await this.#powerOff;
    bus.meddle();
    if (!tpm.running) await tpm.start();
  }

  #aim(point: CutPoint, cut: () => void, later: () => void): void {
    const { bus } = this.#box;
    // What the last cut left is finished first: that is not the anchor that is meant.
    let owed = this.#isIncrementOwed ? 1 : 0;
    let isIncremented = false;
    bus.meddle({
      command: (command) => {
        if (packetCode(command) !== NV_INCREMENT) return PASS;
        owed -= 1;
        isIncremented = owed < 0;
        if (!isIncremented || point !== 'intent') return PASS;
        cut();
        return HANG_UP;
      },
      response: (_response, command) => {
        const code = packetCode(command);
        const isHere =
          (point === 'increment' && code === NV_INCREMENT) || (point === 'certificate' && code === NV_CERTIFY);
        if (!isIncremented) return PASS;
        if (isHere) cut();
        if (point === 'entry' && code === NV_CERTIFY) later();
        return isHere ? HANG_UP : PASS;
      },
    });
  }
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
