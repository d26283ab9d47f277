import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { type CustodyKeeper, startCustody } from '../../../src/edge/gateway/custody-keeper.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import type { Journal } from '../../../src/edge/journal/journal.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';

const settings = gatewaySettingsSchema.parse({
  gateway: { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: '/nonexistent/latchkey' },
  keys: 'software',
  mqtt: { url: 'mqtt://127.0.0.1:1' },
  references: { kind: 'clear' },
  ports: [
    {
      name: 'bank-a',
      link: { kind: 'tcp', host: '127.0.0.1', port: 1, baud: 9_600 },
      devices: [{ name: 'board-1', driver: 'xor_8a80', address: 1, channels: 24 }],
    },
  ],
  custody: { compartments: [{ name: 'A01', device: 'board-1', channel: 1, polarity: 'closed_is_1' }] },
});

class Site {
  readonly scheduler = new ManualScheduler();
  readonly bodies: EventBody[] = [];
  refuse = false;
  /** The log that is open; undefined between two. */
  open: { log: string; boot: number } | undefined;
  readonly saved = new Map<string, string>();

  readonly #listeners = new Set<() => void>();

  /** A log opened while the daemon runs. */
  opened(log: string): void {
    this.open = { log, boot: 1 };
    for (const listener of this.#listeners) listener();
  }

  start(boot: number, log = 'first'): CustodyKeeper {
    this.open = { log, boot };
    const journal = {
      appender: {
        append: (draft: { readonly body: EventBody }) => {
          this.bodies.push(draft.body);
          return this.refuse ? 'refused' : 'queued';
        },
      },
      openOrigin: () => this.open?.log,
      log: () => ({ record: { boot: this.open?.boot } }),
      outbox: {
        onChange: (listener: () => void) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      loadState: (name: string) => this.saved.get(name),
      saveState: (name: string, text: string) => void this.saved.set(name, text),
    } as unknown as Journal;
    const observer = { observe: () => this.#observed() };
    const { scheduler } = this;
    const metrics = new MemoryMetrics();
    const parts = { settings, journal, boot, log, observer, scheduler, logger: silentLogger, metrics };
    return startCustody(parts);
  }

  read(keeper: CustodyKeeper, feedback: 0 | 1): void {
    this.scheduler.advance(500);
    const channels = [{ channel: 1, feedback }];
    const reading: Reading = { kind: 'board', device: 'board-1', observed: this.#observed(), channels };
    keeper.sink(reading);
    keeper.sink(reading);
  }

  #observed() {
    return {
      wallMs: this.scheduler.wallMs(),
      upMs: this.scheduler.monotonicMs(),
      clock: { src: 'none' as const },
    };
  }
}

test('a look is named by its start only in the log that counted it, over quiet starts too', () => {
  const site = new Site();
  // The third start of one log; it was lost, and the next one counts its starts anew.
  const first = site.start(3);
  site.read(first, 1);
  first.stop();
  for (const boot of [1, 2, 3]) site.start(boot, 'second').stop();
  const last = site.start(4, 'second');
  site.read(last, 0);
  last.stop();
  const opened = site.bodies.find(({ type }) => type === 'door.opened');
  expect(opened).toBeDefined();
  expect(opened?.seen).toBeUndefined();
  // In the log that counted it, it is named.
  const named = new Site();
  const one = named.start(1);
  named.read(one, 1);
  one.stop();
  named.start(2).stop();
  const third = named.start(3);
  named.read(third, 0);
  third.stop();
  expect(named.bodies.find(({ type }) => type === 'door.opened')?.seen).toMatchObject({ from_boot: 1 });
});

test('in a log that opened while the daemon ran, its start is named by its number there, and no other', () => {
  const site = new Site();
  const first = site.start(3);
  site.read(first, 1);
  site.opened('second');
  first.stop();
  const next = site.start(2, 'second');
  site.read(next, 0);
  next.stop();
  expect(site.bodies.find(({ type }) => type === 'door.opened')?.seen).toMatchObject({ from_boot: 1 });
  // A look of the start before that one has no number in the second log.
  const older = new Site();
  const one = older.start(3);
  older.read(one, 1);
  one.stop();
  const two = older.start(4);
  older.opened('second');
  two.stop();
  const three = older.start(2, 'second');
  older.read(three, 0);
  three.stop();
  expect(older.bodies.find(({ type }) => type === 'door.opened')).toBeDefined();
  expect(older.bodies.find(({ type }) => type === 'door.opened')?.seen).toBeUndefined();
});

test('a change is kept with its part, and the text of an earlier version is read and then kept in parts', () => {
  const site = new Site();
  const first = site.start(1);
  site.read(first, 1);
  first.stop();
  expect([...site.saved.keys()]).toEqual(['custody', 'custody_0']);
  const [head, part] = ['custody', 'custody_0'].map((name) => JSON.parse(site.saved.get(name) ?? '{}'));
  expect(head.compartments).toEqual([]);
  expect(part.compartments).toMatchObject([{ name: 'A01', door: { value: true } }]);
  // As version 0.1 kept it: all in one.
  site.saved.clear();
  site.saved.set('custody', JSON.stringify({ ...head, compartments: part.compartments }));
  const second = site.start(2);
  expect(second.status().compartments).toMatchObject([{ name: 'A01', door: 'shut' }]);
  second.stop();
  expect([...site.saved.keys()]).toEqual(['custody', 'custody_0']);
  expect(JSON.parse(site.saved.get('custody') ?? '{}').compartments).toEqual([]);
});

test('parts of more compartments than there are now are emptied', () => {
  const site = new Site();
  site.start(1).stop();
  const [head, part] = ['custody', 'custody_0'].map((name) => site.saved.get(name) ?? '');
  site.saved.set('custody_1', part ?? '');
  site.saved.set('custody_2', part ?? '');
  expect(head).not.toBe('');
  site.start(2).stop();
  expect([site.saved.get('custody_1'), site.saved.get('custody_2')]).toEqual(['null', 'null']);
  const last = site.start(3);
  site.read(last, 1);
  expect(last.status().compartments).toMatchObject([{ door: 'shut' }]);
});

test('the status says what stands open and whether the journal still takes custody', () => {
  const site = new Site();
  const keeper = site.start(1);
  site.refuse = true;
  site.read(keeper, 1);
  expect(keeper.status()).toMatchObject({ refusing: true, compartments: [{ name: 'A01', door: 'shut' }] });
  keeper.stop();
});
