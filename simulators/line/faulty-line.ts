/**
 * Puts the fault plan between a device and its cable: what the device says becomes deliveries, pauses and pulled plugs.
 *
 * A wire keeps bytes in order. The pieces of what was split are therefore never mixed with what is said next, however
 * late the timers of this process are: what is left of them goes first.
 */
import type { Scheduler, Timer } from '../../src/base/clock.ts';
import type { FaultCounts, LineFault } from '../faults/kinds.ts';
import {
  type Delivery,
  type Emission,
  type FaultSettings,
  type FaultState,
  FIRST_EMISSION,
  HOLD_MAX_MS,
  planEmission,
  releaseHeld,
} from '../faults/plan.ts';
import type { Cable } from './cable.ts';

export interface FaultyLineParts {
  readonly name: string;
  readonly cable: Cable;
  readonly settings: FaultSettings;
  readonly counts: FaultCounts;
  readonly scheduler: Scheduler;
}

export class FaultyLine {
  readonly #parts: FaultyLineParts;
  readonly #timers = new Set<Timer>();
  #state: FaultState = FIRST_EMISSION;
  #holding: Timer | undefined;
  /** Pieces of a split emission of which the first is on the wire. */
  #rest: readonly Uint8Array[] = [];
  #closed = false;
  /** Without it the device says nothing, and hears nothing. */
  #powered = true;
  /** Faults that somebody asked for, of the next emission. */
  #armed: readonly LineFault[] = [];

  constructor(parts: FaultyLineParts) {
    this.#parts = parts;
  }

  /** What was emitted so far, each a chance for faults. */
  get emissions(): number {
    return this.#state.emission;
  }

  get powered(): boolean {
    return this.#powered;
  }

  power(on: boolean): void {
    this.#powered = on;
  }

  get armed(): readonly LineFault[] {
    return this.#armed;
  }

  /** Befalls the next emission, whatever the dice say. */
  arm(fault: LineFault): void {
    if (!this.#armed.includes(fault)) this.#armed = [...this.#armed, fault];
  }

  emit(emission: Emission): void {
    if (!this.#powered) return;
    const { settings, name, counts } = this.#parts;
    const asked = this.#armed.map((fault) => ({ emission: this.#state.emission, fault }));
    const exactly = [...settings.exactly, ...asked];
    const outcome = planEmission({ ...settings, exactly }, name, this.#state, emission);
    this.#state = outcome.state;
    this.#armed = [];
    for (const fault of outcome.faults) counts.add(fault);
    const [first, ...rest] = outcome.deliveries;
    if (first !== undefined) this.#after(first.afterMs, () => this.#say(first, rest));
    const lastMs = outcome.deliveries.at(-1)?.afterMs ?? 0;
    this.#holdOrNot();
    const { unplugMs } = outcome;
    if (unplugMs !== undefined) this.#after(lastMs, () => void this.#unplugFor(unplugMs));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#holding?.cancel();
  }

  #holdOrNot(): void {
    this.#holding?.cancel();
    this.#holding = undefined;
    if (this.#state.held.length === 0) return;
    this.#holding = this.#parts.scheduler.after(HOLD_MAX_MS, () => {
      const released = releaseHeld(this.#state);
      this.#state = released.state;
      this.#say({ afterMs: 0, bytes: released.bytes }, []);
    });
  }

  #say(first: Delivery, rest: readonly Delivery[]): void {
    for (const piece of [...this.#rest, first.bytes]) this.#parts.cable.send(piece);
    const pieces = rest.map(({ bytes }) => bytes);
    this.#rest = pieces;
    for (const { afterMs } of rest) {
      this.#after(afterMs - first.afterMs, () => {
        // Gone already when somebody spoke meanwhile.
        const [next] = this.#rest;
        if (next === undefined || !pieces.includes(next)) return;
        this.#parts.cable.send(next);
        this.#rest = this.#rest.slice(1);
      });
    }
  }

  async #unplugFor(unplugMs: number): Promise<void> {
    await this.#parts.cable.unplug();
    if (!this.#closed) this.#after(unplugMs, () => void this.#parts.cable.plug());
  }

  #after(delayMs: number, work: () => void): void {
    if (delayMs === 0) {
      work();
      return;
    }
    const timer = this.#parts.scheduler.after(delayMs, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
  }
}
