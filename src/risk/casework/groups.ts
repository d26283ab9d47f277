/**
 * Groups of what is asked at once: whoever asks while a group is at work waits for the next one, and all who wait then are
 * done together. So the journeys to the database and its commit are shared by as many as there is hurry for, and one that
 * asks alone waits for nobody.
 *
 * Of one name (a refund, a key) nothing is done twice at the same time: the second waits until the first is done. A group
 * that fails is done again one by one, so that nobody fails for another.
 */
import { LatchkeyError } from '../../base/errors.ts';

export interface GroupWork<Ask, Answer> {
  /** Answers in the order of what was asked; undefined for what must be done by itself. What rejects has done nothing. */
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

/** While one waits for the database, the next one is read and computed. */
const AT_WORK_MAX = 2;
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

  /** Once what has arrived meanwhile was read: it may go with the first. */
  #call(): void {
    if (this.#isCalled || this.#atWork >= AT_WORK_MAX || this.#waiting.length === 0) return;
    this.#isCalled = true;
    setImmediate(() => {
      this.#isCalled = false;
      const group = this.#take();
      if (group.length === 0) return;
      this.#atWork += 1;
      void this.#run(group).finally(() => {
        this.#atWork -= 1;
        for (const { names } of group) for (const name of names) this.#names.delete(name);
        this.#call();
      });
      this.#call();
    });
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
    const [first] = group;
    if (group.length === 1 && first !== undefined) return this.#alone(first);
    let answers: readonly (Answer | undefined)[] = [];
    try {
      answers = await this.#work.together(group.map(({ ask }) => ask));
    } catch {
      // Whoever it was that failed is told so below, and nobody else.
    }
    await Promise.all(
      group.map((one, i) => {
        const answer = answers[i];
        if (answer === undefined) return this.#alone(one);
        one.resolve(answer);
        return undefined;
      }),
    );
  }

  async #alone({ ask, resolve, reject }: Waiting<Ask, Answer>): Promise<void> {
    try {
      resolve(await this.#work.alone(ask));
    } catch (error) {
      reject(error);
    }
  }
}
