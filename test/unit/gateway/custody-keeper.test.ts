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
  #saved: string | undefined;

  start(boot: number): CustodyKeeper {
    const journal = {
      appender: {
        append: (draft: { readonly body: EventBody }) => {
          this.bodies.push(draft.body);
          return this.refuse ? 'refused' : 'queued';
        },
      },
      loadState: () => this.#saved,
      saveState: (_name: string, text: string) => {
        this.#saved = text;
      },
    } as unknown as Journal;
    const observer = { observe: () => this.#observed() };
    const { scheduler } = this;
    const parts = { settings, journal, boot, observer, scheduler, logger: silentLogger, metrics: new MemoryMetrics() };
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
  // The third start of one log; the log was changed during it, and the next one counts its starts anew.
  const first = site.start(3);
  site.read(first, 1);
  first.stop();
  for (const boot of [2, 3]) site.start(boot).stop();
  const last = site.start(4);
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

test('the status says what stands open and whether the journal still takes custody', () => {
  const site = new Site();
  const keeper = site.start(1);
  site.refuse = true;
  site.read(keeper, 1);
  expect(keeper.status()).toMatchObject({ refusing: true, compartments: [{ name: 'A01', door: 'shut' }] });
  keeper.stop();
});
