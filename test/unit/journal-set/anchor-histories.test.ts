/**
 * Random histories of a box with a TPM. Each value goes over one checkpoint; each anchor is one above the one before,
 * but where an entry 0 states a gap; the verifier's judge refutes none of it; and a disk that was rolled back below an
 * anchor is named as soon as the TPM answers.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnchoredBox } from './anchored-box.ts';
import type { Snapshot } from './box.ts';

type Act =
  | { readonly act: 'scan' }
  | { readonly act: 'cut_tpm'; readonly step: 'read' | 'increment' | 'certify'; readonly isDone: boolean }
  | { readonly act: 'cut_disk'; readonly changes: number }
  | { readonly act: 'restart' }
  | { readonly act: 'stop' }
  | { readonly act: 'rotate' }
  | { readonly act: 'away' }
  | { readonly act: 'back' }
  | { readonly act: 'lose_databases' }
  | { readonly act: 'lose_newest' }
  | { readonly act: 'snapshot' }
  | { readonly act: 'restore' };

const simple = (...acts: readonly Exclude<Act, { act: 'cut_tpm' | 'cut_disk' }>['act'][]): fc.Arbitrary<Act> =>
  fc.constantFrom(...acts).map((act) => ({ act }));

const actArbitrary: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: simple('scan') },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('cut_tpm' as const),
      step: fc.constantFrom('read' as const, 'increment' as const, 'certify' as const),
      isDone: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constant('cut_disk' as const), changes: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 3, arbitrary: simple('restart', 'stop', 'rotate') },
  { weight: 3, arbitrary: simple('away', 'back') },
  { weight: 1, arbitrary: simple('lose_databases', 'lose_newest') },
  { weight: 2, arbitrary: simple('snapshot', 'restore') },
);

class History {
  readonly box = new AnchoredBox();
  #copy: { readonly snapshot: Snapshot; readonly value: number } | undefined;
  /** Of the copy that lies on the disk now: anchors above this value are not on it. */
  rolledBackTo: number | undefined;
  named = 0;

  async run(acts: readonly Act[]): Promise<void> {
    const { box } = this;
    await box.start();
    await box.anchored();
    for (const act of acts) {
      await this.#do(act);
      await box.anchored();
      this.#look();
    }
    box.chip.isAway = false;
    await box.restart();
    await box.record(1);
    await box.anchored();
    this.#look();
  }

  async #do(act: Act): Promise<void> {
    const { box } = this;
    switch (act.act) {
      case 'scan':
        await box.record(1);
        return;
      case 'cut_tpm':
        if (box.chip.isAway) return;
        box.chip.cut = { step: act.step, isDone: act.isDone };
        await box.record(1);
        await box.anchored();
        box.chip.cut = undefined;
        return box.restart();
      case 'cut_disk': {
        const going = box.record(1).then(() => box.anchored());
        await box.crashDuring(going, act.changes);
        return box.start();
      }
      case 'restart':
        return box.restart();
      case 'stop':
        await box.stop();
        return box.start();
      case 'rotate':
        return box.rotate();
      case 'away':
      case 'back':
        box.chip.isAway = act.act === 'away';
        box.scheduler.advance(120_000);
        return;
      case 'lose_databases':
      case 'lose_newest':
        await box.crash();
        this.#lose(act.act === 'lose_databases');
        this.rolledBackTo = undefined;
        return box.start();
      case 'snapshot':
        if (!box.chip.isAway) this.#copy = { snapshot: box.snapshot('copy'), value: box.chip.paper.counter };
        return;
      case 'restore':
        return this.#restore();
    }
  }

  #lose(all: boolean): void {
    const { box } = this;
    if (all) {
      box.loseDatabases();
      return;
    }
    const names = box.databases().map((name) => ({ name, number: Number(name.split('-')[0]) }));
    const [newest] = names.sort((a, b) => b.number - a.number);
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(box.dir, 'journal', `${newest?.name}${suffix}`), { force: true });
    }
  }

  async #restore(): Promise<void> {
    const { box } = this;
    if (this.#copy === undefined) return;
    await box.crash();
    box.restore(this.#copy.snapshot);
    const isBelow = box.chip.paper.counter > this.#copy.value + 1;
    this.rolledBackTo = isBelow ? this.#copy.value : undefined;
    await box.start();
  }

  /** As soon as the TPM answers, a disk that anchors were rolled back from has a log that says so. */
  #look(): void {
    const { box } = this;
    if (this.rolledBackTo === undefined || box.chip.isAway) return;
    const gaps = box.origins().flatMap((origin) => {
      const { data } = box.entries(origin)[0] as { data: { counter?: { expected?: number; found: number } } };
      const { counter } = data;
      return counter !== undefined && counter.found > (counter.expected ?? counter.found) ? [counter] : [];
    });
    expect(gaps.map(({ found }) => found).some((found) => found > (this.rolledBackTo ?? 0))).toBe(true);
    this.named += 1;
    this.rolledBackTo = undefined;
  }
}

test('of crashes, cuts, rotations, lost and restored disks, and a TPM that comes and goes', async () => {
  let made = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(actArbitrary, { minLength: 3, maxLength: 12 }), async (acts) => {
      const history = new History();
      const { box } = history;
      try {
        await history.run(acts);
        const isRestored = acts.some(({ act }) => act === 'restore');
        // The disk of a restored box holds both branches of nothing: its own is judged like any other.
        expect(box.faults()).toEqual([]);
        const counters = [...new Set(box.anchorsMade().map(({ counter }) => counter))];
        if (!isRestored && !acts.some(({ act }) => act.startsWith('lose'))) {
          expect(counters).toEqual(counters.map((_, i) => 8 + i));
          expect(box.chip.paper.counter).toBe(counters.at(-1));
        }
        expect(counters.at(-1)).toBe(box.chip.paper.counter);
        made += counters.length;
      } finally {
        await box.end();
      }
    }),
    { numRuns: 15 },
  );
  expect(made).toBeGreaterThan(30);
});

test('a copy restored below two anchors is named in each history', async () => {
  const history = new History();
  await history.run([
    { act: 'snapshot' },
    { act: 'scan' },
    { act: 'scan' },
    { act: 'scan' },
    { act: 'away' },
    { act: 'restore' },
    { act: 'scan' },
    { act: 'back' },
  ]);
  expect(history.named).toBe(1);
  expect(history.box.faults()).toEqual([]);
  await history.box.end();
});
