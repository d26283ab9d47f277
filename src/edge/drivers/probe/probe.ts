/**
 * Asks one line after another question until what is attached has shown itself. Sends nothing but the plan's requests,
 * waits a bounded time for each, and believes what answers twice.
 */
import { boardSteps, type Found, loneSteps, type ProbeStep } from './plan.ts';

/** The line at one speed. */
export interface ProbeWire {
  /**
   * Sends, and gives what came until `enough` says so or `waitMs` is over. What waited on the line before is not among
   * it. Rejects when the line is lost.
   */
  ask(request: Uint8Array | undefined, waitMs: number, enough: (bytes: Uint8Array) => boolean): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface ProbeOptions {
  /** Opens the line; `baud` is 0 where the speed cannot be set. Rejects when another process holds it. */
  readonly open: (baud: number) => Promise<ProbeWire>;
  /** The line's speed cannot be set from here. */
  readonly fixedSpeed: boolean;
  /** Only this speed, only these families. */
  readonly baud?: number;
  readonly family?: string;
  readonly signal: AbortSignal;
  readonly progress: (done: number, all: number, step: ProbeStep) => void;
}

export interface ProbeResult {
  /** With the speed, where it is known. */
  readonly found: readonly (Found & { readonly baud?: number })[];
  readonly asked: number;
  readonly of: number;
  /** Bytes came at these speeds and meant nothing: another speed, or another family. */
  readonly noiseAt: readonly number[];
  /** The time was over, or it was stopped, before everything was asked. */
  readonly cut: boolean;
}

export function probeSteps(options: Pick<ProbeOptions, 'fixedSpeed' | 'baud' | 'family'>): readonly ProbeStep[] {
  const { fixedSpeed, baud, family } = options;
  const wanted = [...loneSteps(), ...boardSteps()].filter((step) => {
    return (family === undefined || step.family === family) && (fixedSpeed || baud === undefined || step.baud === baud);
  });
  // Asked at a speed that nothing in the plan has: everything is asked at that one.
  const all = wanted.length === 0 && baud !== undefined ? atSpeed(baud, family) : wanted;
  return fixedSpeed ? withoutRepeats(all) : bySpeed(all);
}

export async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const steps = probeSteps(options);
  const found: (Found & { readonly baud?: number })[] = [];
  const noiseAt = new Set<number>();
  let asked = 0;
  let wire: ProbeWire | undefined;
  let speed: number | undefined;
  try {
    for (const step of steps) {
      if (options.signal.aborted) break;
      const baud = options.fixedSpeed ? 0 : step.baud;
      if (wire === undefined || baud !== speed) {
        await wire?.close();
        wire = undefined;
        wire = await options.open(baud);
        speed = baud;
      }
      options.progress(asked, steps.length, step);
      const first = await askOnce(wire, step);
      asked += 1;
      if (first.noise && !options.fixedSpeed) noiseAt.add(baud);
      if (first.found === undefined || saysNothingNew(found, first.found)) continue;
      const again = await askOnce(wire, step);
      if (again.found === undefined) continue;
      const before = found.findIndex((each) => isSame(each, first.found));
      const entry = { ...again.found, ...(baud > 0 && { baud }) };
      if (before === -1) found.push(entry);
      else found[before] = entry;
      // A device that has its port for itself: nobody else is to be asked.
      if (again.found.kind !== 'board') break;
    }
  } finally {
    await wire?.close();
  }
  const heard = new Set(found.flatMap(({ baud }) => (baud === undefined ? [] : [baud])));
  const cut = options.signal.aborted && asked < steps.length;
  return { found, asked, of: steps.length, noiseAt: [...noiseAt].filter((baud) => !heard.has(baud)), cut };
}

async function askOnce(wire: ProbeWire, step: ProbeStep): Promise<{ readonly found?: Found; readonly noise: boolean }> {
  const { request, waitMs, read } = step;
  const bytes = await wire.ask(request, waitMs, (heard) => read(heard) !== undefined);
  const found = read(bytes);
  // An echo alone is no noise.
  const noise = found === undefined && bytes.length > (request?.length ?? 0);
  return found === undefined ? { noise } : { found, noise };
}

/** A board that told its address is asked once more for its status: that answer tells how many channels it has. */
function saysNothingNew(found: readonly Found[], one: Found): boolean {
  const known = found.find((each) => isSame(each, one));
  return known !== undefined && (known.channels !== undefined || one.channels === undefined);
}

function isSame(a: Found, b: Found | undefined): boolean {
  return a.kind === b?.kind && a.family === b.family && a.address === b.address;
}

function atSpeed(baud: number, family: string | undefined): readonly ProbeStep[] {
  const all = [...loneSteps(), ...boardSteps()].filter((step) => family === undefined || step.family === family);
  return withoutRepeats(all.map((step) => ({ ...step, baud })));
}

/** Devices with a port for themselves first, then each speed once; the order inside stays. */
function bySpeed(steps: readonly ProbeStep[]): readonly ProbeStep[] {
  const isLone = (step: ProbeStep): boolean => step.kind !== 'board';
  return [steps.filter(isLone), steps.filter((step) => !isLone(step))].flatMap((part) => {
    const speeds = [...new Set(part.map(({ baud }) => baud))];
    return speeds.flatMap((baud) => part.filter((step) => step.baud === baud));
  });
}

function withoutRepeats(steps: readonly ProbeStep[]): readonly ProbeStep[] {
  const seen = new Set<string>();
  return steps.filter(({ family, request }) => {
    const key = `${family} ${request === undefined ? 'listen' : request.join(' ')}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
