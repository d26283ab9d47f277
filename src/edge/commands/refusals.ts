/**
 * How many refused commands have an entry of their own, so that whoever may publish cannot fill the log: those of granted
 * keys have, up to a number in a minute; what is left, and what no granted key signed, is counted in one entry a minute.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';

const MINUTE_MS = 60_000;
export const OWN_ENTRIES_A_MINUTE = 20;

export class RefusalBudget {
  readonly #scheduler: Scheduler;
  readonly #say: (counts: ReadonlyMap<string, number>) => void;
  readonly #own: number[] = [];
  #counts = new Map<string, number>();
  #saidMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  /** `say` is called at most once a minute, with what was counted since: reason by reason. */
  constructor(scheduler: Scheduler, say: (counts: ReadonlyMap<string, number>) => void) {
    this.#scheduler = scheduler;
    this.#say = say;
  }

  /** True when a refusal may have an entry of its own now. Otherwise it is counted. */
  takeOwn(reason: string): boolean {
    const nowMs = this.#scheduler.monotonicMs();
    while (this.#own[0] !== undefined && nowMs - this.#own[0] >= MINUTE_MS) this.#own.shift();
    if (this.#own.length >= OWN_ENTRIES_A_MINUTE) {
      this.count(reason);
      return false;
    }
    this.#own.push(nowMs);
    return true;
  }

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    if (this.#timer !== undefined) return;
    const waitMs = Math.max(0, this.#saidMs + MINUTE_MS - this.#scheduler.monotonicMs());
    this.#timer = this.#scheduler.after(waitMs, () => this.#tell());
  }

  /** Says what was counted, also before its time. */
  stop(): void {
    this.#timer?.cancel();
    if (this.#counts.size > 0) this.#tell();
  }

  #tell(): void {
    this.#timer = undefined;
    const counts = this.#counts;
    this.#counts = new Map();
    this.#saidMs = this.#scheduler.monotonicMs();
    this.#say(counts);
  }
}
