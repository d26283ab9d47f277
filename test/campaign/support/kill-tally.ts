/** What kills at the steps of an opening reached, counted for the results. */
import { expect } from 'vitest';
import type { KillCall, KillMoment } from '../../process/support/door-daemon.ts';

/** Runs that made fewer calls than the one in which they were counted: a commit may take two entries at once. */
const MISSED_PART = 10;

export class KillTally<Step extends string> {
  readonly #reached = new Map<Step, number>();
  readonly #hit = new Set<string>();
  #missed = 0;
  #calls = 0;
  #others = 0;

  add(moment: KillMoment, { reached, inTime }: { readonly reached: Step; readonly inTime: boolean }): void {
    this.#reached.set(reached, (this.#reached.get(reached) ?? 0) + 1);
    if (moment.at !== 'call') this.#others += 1;
    else if (inTime) this.#calls += 1;
    else this.#missed += 1;
    if (moment.at === 'call' && inTime) this.#hit.add(`${moment.file} ${moment.call}`);
  }

  /** Each kind of call was hit, and each step between two of them was cut. */
  expectWhole(calls: readonly KillCall[], steps: readonly Step[]): void {
    const kinds = new Set(calls.map(({ file, call }) => `${file} ${call}`));
    expect([...this.#hit].sort()).toEqual([...kinds].sort());
    expect([...this.#reached.keys()].sort(), this.text()).toEqual([...steps].sort());
    expect(this.#missed).toBeLessThanOrEqual(Math.ceil(calls.length / MISSED_PART));
  }

  text(): string {
    const reached = [...this.#reached].map(([step, count]) => `${step} ${count}`).join(', ');
    const calls = `${this.#calls} killed at a call of ${this.#hit.size} kinds, ${this.#missed} not reached`;
    return `${calls}, ${this.#others} at the frame or by chance; the last step before: ${reached}`;
  }
}
