/**
 * Random histories of one gateway and its receiver: batches are lost, doubled, reordered and cut differently, the
 * receiver is killed at any moment and started from what lay on its disk then. Whatever happened, in the end every entry
 * is there exactly once and in order, receipts never went back, and no size was receipted with two roots.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { base64 } from '../../../src/base/bytes.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FileStore } from '../../../src/risk/intake/file-store/file-store.ts';
import { Intake } from '../../../src/risk/intake/intake.ts';
import type { IntakeStore } from '../../../src/risk/intake/store.ts';
import { MemoryDisk, MemoryStore } from '../../contract/memory-intake-store.ts';
import { Random } from '../../support/mutate.ts';
import type { TestLog } from '../../support/test-log.ts';
import { grow, newLog } from './events.ts';
import { Harness, PREFIX, policyFor } from './harness.ts';

const home = mkdtempSync(join(tmpdir(), 'latchkey-delivery-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Disk {
  open(): Promise<IntakeStore>;
  /** What lies on the disk in this very moment is what the next `open` finds. */
  cut(): void;
}

function memoryDisk(): Disk {
  const disk = new MemoryDisk();
  return { open: async () => new MemoryStore(disk), cut: () => undefined };
}

let copies = 0;
function fresh(): string {
  copies += 1;
  return join(home, `${copies}`);
}

function fileDisk(): Disk {
  let directory = fresh();
  return {
    open: () => FileStore.open({ crypto: nodeCrypto, directory, segmentBytes: 4_000 }),
    cut: () => {
      const copy = fresh();
      cpSync(directory, copy, { recursive: true, filter: (path) => !/\/lock/.test(path) });
      directory = copy;
    },
  };
}

interface Story {
  kills: number;
  lost: number;
  doubled: number;
  rewinds: number;
  forks: number;
  /** Forks that were noticed. */
  refused: number;
  fromDisk: number;
}

class Site {
  readonly h = new Harness();
  readonly random: Random;
  readonly disk: Disk;
  readonly log: TestLog;
  readonly twin: TestLog;
  readonly roots = new Map<number, string>();
  readonly story: Story = { kills: 0, lost: 0, doubled: 0, rewinds: 0, forks: 0, refused: 0, fromDisk: 0 };
  receipted = 0;
  readonly #common: number;
  #life = 0;
  #cursor = 0;
  #air: Uint8Array[] = [];

  constructor(seed: number, disk: Disk, entries: number) {
    this.random = new Random(seed);
    this.disk = disk;
    this.log = grow(newLog(`site ${seed}`), entries);
    this.#common = this.random.below(entries - 10);
    this.twin = grow(newLog(`site ${seed}`), this.#common);
    grow(this.twin, entries - this.#common, () => ({ salt: 99 }));
  }

  async start(): Promise<void> {
    this.#life += 1;
    const life = this.#life;
    const store = await this.disk.open();
    this.h.store = store;
    this.h.intake = await Intake.open({
      crypto: nodeCrypto,
      store,
      key: this.h.key,
      // A dead receiver says nothing, whatever its remains still do.
      link: { publish: async (topic, payload) => (life === this.#life ? this.#hear(topic, payload) : 0) },
      scheduler: this.h.scheduler,
      logger: this.h.logger,
      metrics: this.h.metrics,
      prefix: PREFIX,
      policy: policyFor(this.log),
    });
    this.h.intake.connected();
  }

  async kill(): Promise<void> {
    const before = this.h.intake;
    const store = this.h.store;
    this.#life += 1;
    this.disk.cut();
    this.story.kills += 1;
    // Only so that the test holds no handles: the copy was made before.
    await before.close();
    await store.close();
    await this.start();
    const held = (await this.h.store.load('gw-0001')).logs[0];
    this.story.fromDisk = Math.max(this.story.fromDisk, held?.segments[0]?.end.size ?? 0);
    // What left as a receipt is on the disk.
    expect(held?.segments[0]?.end.size ?? 0).toBeGreaterThanOrEqual(this.receipted);
  }

  #hear(topic: string, payload: Uint8Array): number {
    if (topic.endsWith('/request')) {
      const { first } = JSON.parse(Buffer.from(payload).toString()) as { first: number };
      this.#cursor = Math.min(this.#cursor, first);
      this.story.rewinds += 1;
      return 0;
    }
    const [, sizeText, root = ''] = Buffer.from(payload).toString().split('\n');
    const size = Number(sizeText);
    expect(size).toBeGreaterThanOrEqual(this.receipted);
    expect(this.roots.get(size) ?? root).toBe(root);
    this.roots.set(size, root);
    this.receipted = size;
    return 0;
  }

  /** The gateway sends something, and the air does what it likes with it. */
  async step(): Promise<void> {
    const { random, log, twin, h } = this;
    switch (random.below(12)) {
      case 0:
        if (random.below(3) === 0) await this.kill();
        break;
      case 1:
        h.scheduler.advance(1_000 * (1 + random.below(12)));
        break;
      case 2:
        this.#cursor = this.receipted;
        break;
      case 3: {
        // Once the true branch is receipted beyond the fork, the other one must never get in.
        if (this.receipted <= this.#common) break;
        const first = random.below(this.receipted + 1);
        if (first >= twin.size) break;
        this.#air.push(twin.batch(first, Math.min(twin.size, first + 1 + random.below(5)), { left: first > 0 }));
        this.story.forks += 1;
        break;
      }
      default: {
        if (this.#cursor >= log.size) break;
        const end = Math.min(log.size, this.#cursor + 1 + random.below(6));
        const left = this.#cursor > 0 && random.below(4) === 0;
        this.#air.push(log.batch(this.#cursor, end, { left }));
        this.#cursor = end;
      }
    }
    while (this.#air.length > random.below(4)) this.#deliver();
    if (random.below(4) === 0) await h.intake.settled();
    for (let turns = random.below(4); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
  }

  #deliver(): void {
    const { random, h } = this;
    const [bytes] = this.#air.splice(random.below(this.#air.length), 1);
    const fate = random.below(8);
    if (bytes === undefined) return;
    if (fate === 0) this.story.lost += 1;
    else h.intake.message(`${PREFIX}/v1/0e/gw-0001/batch`, new Uint8Array(bytes));
    if (fate === 1) {
      this.story.doubled += 1;
      h.intake.message(`${PREFIX}/v1/0e/gw-0001/batch`, new Uint8Array(bytes));
    }
  }

  /** The link becomes good. */
  async drain(): Promise<void> {
    const { h, log } = this;
    for (let round = 0; round < 200 && this.receipted < log.size; round += 1) {
      for (let first = this.receipted; first < log.size; ) {
        const end = Math.min(log.size, first + 7);
        h.intake.message(`${PREFIX}/v1/0e/gw-0001/batch`, log.batch(first, end));
        first = end;
      }
      h.scheduler.advance(2_000);
      await h.settle();
    }
  }
}

async function live(seed: number, disk: Disk, entries: number, steps: number): Promise<Story> {
  const site = new Site(seed, disk, entries);
  await site.start();
  for (let i = 0; i < steps; i += 1) await site.step();
  await site.drain();
  expect(site.receipted).toBe(entries);
  const { h, log } = site;
  const seen: number[] = [];
  let position = 0;
  for await (const entry of h.store.entries(log.origin, 0)) {
    expect(entry.position).toBe(position);
    position += 1;
    seen.push(entry.n);
    expect(base64(entry.leafHash)).toBe(base64(log.leafHashes[entry.n] ?? new Uint8Array()));
  }
  // A gap that was opened on the way is the one reason for another order.
  if (h.alarm('gap_opened') === 0) expect(seen).toEqual(Array.from({ length: entries }, (_, n) => n));
  else expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: entries }, (_, n) => n));
  await h.intake.close();
  await h.store.close();
  return { ...site.story, refused: h.outcomes('fork') };
}

function sum(stories: readonly Story[]): Story {
  const total: Story = { kills: 0, lost: 0, doubled: 0, rewinds: 0, forks: 0, refused: 0, fromDisk: 0 };
  for (const story of stories) for (const name of Object.keys(total) as (keyof Story)[]) total[name] += story[name];
  return total;
}

test.each([
  ['memory', 30],
  ['files', 6],
] as const)('%s: every entry once and in order, receipts never back, one root per size', async (kind, histories) => {
  const stories: Story[] = [];
  for (let seed = 1; seed <= histories; seed += 1) {
    stories.push(await live(seed, kind === 'memory' ? memoryDisk() : fileDisk(), 40, 100));
  }
  const total = sum(stories);
  // The histories were what they claim to be.
  for (const name of Object.keys(total) as (keyof Story)[]) expect(total[name], name).toBeGreaterThan(histories / 4);
});
