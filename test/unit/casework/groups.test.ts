/** Who asks while others are at work: in which group, in which order, and what becomes of a group that fails. */
import { describe, expect, test } from 'vitest';
import { Groups, type GroupWork } from '../../../src/risk/casework/groups.ts';
import { until } from '../../support/until.ts';

interface Ask {
  readonly id: string;
  readonly names?: readonly string[];
  readonly weight?: number;
}

/** What was called, in order; each call waits until it is let go. */
class Bench implements GroupWork<Ask, string> {
  readonly groups: Groups<Ask, string>;
  readonly calls: string[] = [];
  readonly #held: { readonly asks: readonly Ask[]; readonly go: (error?: Error) => void }[] = [];
  isHeld = true;

  constructor() {
    this.groups = new Groups(this);
  }

  readonly namesOf = ({ id, names = [id] }: Ask): readonly string[] => names;
  readonly weightOf = ({ weight = 1 }: Ask): number => weight;

  readonly together = async (asks: readonly Ask[]): Promise<readonly (string | undefined)[]> => {
    this.calls.push(asks.map(({ id }) => id).join(' '));
    await this.#hold(asks);
    return asks.map(({ id }) => (id.startsWith('known') ? undefined : `${id} together`));
  };

  readonly alone = async (ask: Ask): Promise<string> => {
    this.calls.push(ask.id);
    await this.#hold([ask]);
    if (ask.id.startsWith('broken')) throw new Error(`${ask.id} cannot be done`);
    return `${ask.id} alone`;
  };

  ask(id: string, more: Omit<Ask, 'id'> = {}): Promise<string> {
    return this.groups.ask({ id, ...more });
  }

  /** Lets the oldest call go on. */
  async go(error?: Error): Promise<void> {
    await until('a call that waits', () => this.#held.length > 0);
    this.#held.shift()?.go(error);
  }

  #hold(asks: readonly Ask[]): Promise<void> {
    if (!this.isHeld) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#held.push({ asks, go: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }
}

/** Whatever waits for a turn of the event loop has had several. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('groups', () => {
  test('one that asks alone waits for nobody', async () => {
    const bench = new Bench();
    const answer = bench.ask('a');
    await bench.go();
    await expect(answer).resolves.toBe('a together');
  });

  test('what comes at once goes together, in its order', async () => {
    const bench = new Bench();
    const answers = ['a', 'b', 'c'].map((id) => bench.ask(id));
    await bench.go();
    await expect(Promise.all(answers)).resolves.toEqual(['a together', 'b together', 'c together']);
    expect(bench.calls).toEqual(['a b c']);
  });

  test('what comes while a group is at work is the next one', async () => {
    const bench = new Bench();
    const first = bench.ask('a');
    await until('the first', () => bench.calls.length === 1);
    const later = ['b', 'c'].map((id) => bench.ask(id));
    await bench.go();
    await first;
    await bench.go();
    await Promise.all(later);
    expect(bench.calls).toEqual(['a', 'b c']);
  });

  test('eight that wait do not wait for the group at work, but no more than four are at work', async () => {
    const bench = new Bench();
    const answers = [bench.ask('a')];
    for (let group = 1; group <= 4; group += 1) {
      await until(`group ${group}`, () => bench.calls.length === group);
      answers.push(...Array.from({ length: 8 }, (_, i) => bench.ask(`${group}-${i}`)));
    }
    await turns();
    expect(bench.calls.map((call) => call.split(' ').length)).toEqual([1, 8, 8, 8]);
    bench.isHeld = false;
    for (let i = 0; i < 4; i += 1) await bench.go();
    await Promise.all(answers);
    expect(bench.calls.map((call) => call.split(' ').length)).toEqual([1, 8, 8, 8, 8]);
  });

  test('a group that stands still holds nobody up: whoever has waited a moment is begun beside it', async () => {
    const bench = new Bench();
    const first = bench.ask('a');
    await until('the first', () => bench.calls.length === 1);
    const second = bench.ask('b');
    await until('the second, while the first stands', () => bench.calls.length === 2);
    bench.isHeld = false;
    await bench.go();
    await bench.go();
    await Promise.all([first, second]);
  });

  test('of one name nothing is done twice at a time, and in the order in which it came', async () => {
    const bench = new Bench();
    const names = ['refund r'];
    const answers = [bench.ask('a', { names }), bench.ask('b', { names }), bench.ask('c'), bench.ask('d', { names })];
    await until('the first', () => bench.calls.length === 1);
    // Enough wait for a second group, but their name is at work.
    answers.push(...Array.from({ length: 8 }, (_, i) => bench.ask(`e${i}`, { names })));
    await turns();
    expect(bench.calls).toEqual(['a c']);
    for (let i = 0; i < 11; i += 1) await bench.go();
    await Promise.all(answers);
    expect(bench.calls).toEqual(['a c', 'b', 'd', ...Array.from({ length: 8 }, (_, i) => `e${i}`)]);
  });

  test('who is passed over for one name is not overtaken in another', async () => {
    const bench = new Bench();
    bench.isHeld = false;
    const answers = [
      bench.ask('a', { names: ['r'] }),
      bench.ask('b', { names: ['r', 'k'] }),
      bench.ask('c', { names: ['k'] }),
    ];
    await Promise.all(answers);
    expect(bench.calls).toEqual(['a', 'b', 'c']);
  });

  test('a group that fails is done one by one, and nobody fails for another', async () => {
    const bench = new Bench();
    const answers = ['a', 'broken', 'c'].map((id) => bench.ask(id));
    await bench.go(new Error('the whole group'));
    for (let i = 0; i < 3; i += 1) await bench.go();
    const settled = await Promise.allSettled(answers);
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual([
      'a alone',
      'Error: broken cannot be done',
      'c alone',
    ]);
    // And the next is done as if nothing had been.
    bench.isHeld = false;
    await expect(bench.ask('a')).resolves.toBe('a together');
  });

  test('what must be done by itself is, after its group', async () => {
    const bench = new Bench();
    const answers = ['a', 'known', 'c'].map((id) => bench.ask(id));
    await bench.go();
    await bench.go();
    await expect(Promise.all(answers)).resolves.toEqual(['a together', 'known alone', 'c together']);
    expect(bench.calls).toEqual(['a known c', 'known']);
  });

  test('a group has room for 32, and for a weight of 64; what is heavier goes alone', async () => {
    const bench = new Bench();
    bench.isHeld = false;
    const light = Array.from({ length: 33 }, (_, i) => bench.ask(`l${i}`));
    await Promise.all(light);
    expect(bench.calls.map((call) => call.split(' ').length)).toEqual([32, 1]);
    bench.calls.length = 0;
    await Promise.all([
      bench.ask('a', { weight: 40 }),
      bench.ask('b', { weight: 40 }),
      bench.ask('c', { weight: 24 }),
      bench.ask('d', { weight: 100 }),
    ]);
    expect(bench.calls).toEqual(['a c', 'b', 'd']);
  });

  test('more than 2,000 do not wait: the next is refused, and asks again', async () => {
    const bench = new Bench();
    bench.isHeld = false;
    const answers = Array.from({ length: 2_000 }, (_, i) => bench.ask(`w${i}`));
    await expect(bench.ask('one more')).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await Promise.all(answers);
    await expect(bench.ask('one more')).resolves.toBe('one more together');
  });
});
