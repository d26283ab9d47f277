/** What tests say of a box again and again. `current` gives the box of the test that runs. */
import { expect } from 'vitest';
import type { Box } from './box.ts';

export interface Tales {
  /** Data of the newest log's entry 0. */
  entryZero(): Readonly<Record<string, unknown>>;
  /** The log that it names as gone before. */
  predecessor(): unknown;
  /** Marks of the scans, and types of the other events, that a log holds carried over. */
  carriedIn(origin: string): readonly unknown[];
  stateOf(origin: string): string;
  /** Everything on the disk arrives, once; nothing that left was contradicted. */
  expectWhole(): Promise<void>;
  /** A first run whose entries all left and were receipted: its log. */
  running(): Promise<string>;
}

export function talesOf(current: () => Box): Tales {
  const entryZero = (): Readonly<Record<string, unknown>> => {
    const box = current();
    const entry = box.entries(box.journal.origin())[0];
    expect(entry?.['type']).toBe('journal.opened');
    return entry?.['data'] as Readonly<Record<string, unknown>>;
  };
  return {
    entryZero,
    predecessor: () => entryZero()['after'],
    carriedIn: (origin) =>
      current()
        .entries(origin)
        .filter((entry) => entry['carried'] !== undefined)
        .map((entry) => (entry['data'] as { text?: string }).text ?? entry['type']),
    stateOf(origin) {
      const log = current()
        .journal.status()
        .logs.find((each) => each.origin === origin);
      return `${log?.state} ${log?.cause ?? ''}`.trim();
    },
    async expectWhole() {
      const box = current();
      await box.send();
      expect(box.consumer.violations).toEqual([]);
      for (const mark of box.durable) expect([mark, box.consumer.used.get(mark)]).toEqual([mark, 1]);
      expect(Math.max(...box.consumer.used.values())).toBe(1);
    },
    async running() {
      const box = current();
      await box.start();
      await box.compare();
      await box.record(3);
      await box.send();
      return box.journal.origin();
    },
  };
}
