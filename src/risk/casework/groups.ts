/**
 * Groups of what is asked at once: whoever asks while a group is at work waits for the next one, and all who wait then are
 * done together. So the journeys to the database and its commit are shared by as many as there is hurry for, and one that
 * asks alone waits for nobody. The next group does not wait for the one at work once it is large enough to be worth a
 * journey of its own, or has waited too long: a group that stands still, for a lock or a slow question, stops no other.
 *
 * Of one name (a refund, a key) nothing is done twice at the same time: the second waits until the first is done. A group
 * that fails is done again one by one, so that nobody fails for another: also one that could not get its locks in time.
 */
import { LatchkeyError } from '../../base/errors.ts';

export interface GroupWork<Ask, Answer> {
  /**
   * Answers in the order of what was asked; undefined for what must be done by itself. What rejects has done nothing, or all
   * of which only the answer was lost; it waits for nobody's locks longer than a moment.
   */
  readonly together: (asks: readonly Ask[]) => Promise<readonly (Answer | undefined)[]>;
  readonly alone: (ask: Ask) => Promise<Answer>;
  readonly namesOf: (ask: Ask) => readonly string[];
  /** What it takes of the room of a group, at least 1. */
  readonly weightOf: (ask: Ask) => number;
}

interface Waiting<Ask, Answer> {
  readonly ask: Ask;
  readonly names: readonly string[];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

const AT_WORK_MAX = 4;
/** So many that wait are begun beside a group at work. */
const WORTH_IT = 8;
/** So long does whoever waits wait for a group at work. */
const PATIENCE_MS = 25;
const GROUP_MAX = 32;
/** Whatever is heavier than all of it goes alone. */
const WEIGHT_MAX = 64;
const WAITING_MAX = 2_000;

export class Groups<Ask, Answer> {
  readonly #work: GroupWork<Ask, Answer>;
  /** In the order in which they came. */
  #waiting: Waiting<Ask, Answer>[] = [];
  readonly #names = new Set<string>();
  #atWork = 0;
  #isCalled = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(work: GroupWork<Ask, Answer>) {
    this.#work = work;
  }

  /** Rejects with TIMED_OUT when too many wait already. */
  ask(ask: Ask): Promise<Answer> {
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(new LatchkeyError('TIMED_OUT', `${WAITING_MAX} wait already: nothing was decided`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ask, names: this.#work.namesOf(ask), resolve, reject });
      this.#call();
    });
  }

  /** `isLate`: somebody has waited long enough. */
  #call(isLate = false): void {
    if (this.#isCalled || this.#waiting.length === 0 || this.#atWork >= AT_WORK_MAX) return;
    if (this.#atWork > 0 && !isLate && this.#waiting.length < WORTH_IT) {
      this.#patience ??= setTimeout(() => {
        this.#patience = undefined;
        this.#call(true);
      }, PATIENCE_MS);
      return;
    }
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#isCalled = true;
    // Once what has arrived meanwhile was read: it may go with the first.
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#isCalled = false;
    const group = this.#take();
    // Of all names that wait something is at work: its end calls again.
    if (group.length === 0) return;
    this.#atWork += 1;
    void this.#run(group);
    this.#call();
  }

  #take(): readonly Waiting<Ask, Answer>[] {
    const group: Waiting<Ask, Answer>[] = [];
    const left: Waiting<Ask, Answer>[] = [];
    // Who is passed over keeps its place before those that come later for the same name.
    const passedOver = new Set<string>();
    let weight = 0;
    for (const one of this.#waiting) {
      weight += this.#work.weightOf(one.ask);
      const isFull = group.length >= GROUP_MAX || (weight > WEIGHT_MAX && group.length > 0);
      if (isFull || one.names.some((name) => this.#names.has(name) || passedOver.has(name))) {
        weight -= this.#work.weightOf(one.ask);
        for (const name of one.names) passedOver.add(name);
        left.push(one);
        continue;
      }
      group.push(one);
      for (const name of one.names) this.#names.add(name);
    }
    this.#waiting = left;
    return group;
  }

  async #run(group: readonly Waiting<Ask, Answer>[]): Promise<void> {
    let answers: readonly (Answer | undefined)[] = [];
    try {
      answers = await this.#work.together(group.map(({ ask }) => ask));
    } catch {
      // Whoever it was that failed is told so below, and nobody else.
    }
    this.#atWork -= 1;
    for (const [i, one] of group.entries()) {
      const answer = answers[i];
      if (answer === undefined) void this.#alone(one);
      else this.#end(one, () => one.resolve(answer));
    }
    this.#call();
  }

  /** Beside the groups: what stands still here holds up nobody else. */
  async #alone(one: Waiting<Ask, Answer>): Promise<void> {
    try {
      const answer = await this.#work.alone(one.ask);
      this.#end(one, () => one.resolve(answer));
    } catch (error) {
      this.#end(one, () => one.reject(error));
    }
    this.#call();
  }

  #end({ names }: Waiting<Ask, Answer>, tell: () => void): void {
    for (const name of names) this.#names.delete(name);
    tell();
  }
}
