/** Custody over a log that ends while the daemon runs: what it drafts names only starts that the open log counted. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { type CustodyKeeper, startCustody } from '../../../src/edge/gateway/custody-keeper.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { recogniseCode } from '../../../src/evidence/event/recognise-code.ts';
import { until } from '../../support/until.ts';
import { Box } from '../journal-set/box.ts';

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

let box: Box;
let keeper: CustodyKeeper;
let upMs = 0;
beforeEach(() => {
  box = new Box();
});
afterEach(async () => {
  keeper.stop();
  await box.end();
});

const observed = () => ({ wallMs: box.scheduler.wallMs(), upMs, clock: { src: 'none' as const } });

function begin(): void {
  const { journal, scheduler } = box;
  upMs = 0;
  const place = { boot: journal.boot(), log: journal.origin() };
  const observer = { observe: observed };
  const metrics = new MemoryMetrics();
  keeper = startCustody({ settings, journal, ...place, observer, scheduler, logger: silentLogger, metrics });
}

function door(feedback: 0 | 1): void {
  for (let i = 0; i < 2; i += 1) {
    upMs += 500;
    const channels = [{ channel: 1, feedback }];
    keeper.sink({ kind: 'board', device: 'board-1', observed: observed(), channels });
  }
}

const flush = (): Promise<void> => box.journal.appender.flush(AbortSignal.timeout(10_000));

/** Starts 1 and 2 of one log: a shut door, a scan, a restart. */
async function scannedBeforeRestart(): Promise<string> {
  await box.start();
  begin();
  door(1);
  upMs += 100;
  const code = recogniseCode(utf8('340123450000000017'), undefined);
  keeper.sink({ kind: 'scan', device: 'scanner-1', observed: observed(), code, suppressed: 0 });
  await flush();
  keeper.stop();
  await box.stop();
  await box.start();
  begin();
  expect(box.journal.boot()).toBe(2);
  return box.journal.origin();
}

interface Told {
  readonly type: string;
  readonly boot: number;
  readonly seen?: object;
  readonly data: { readonly scans?: readonly object[]; readonly door?: object };
}
const entriesOf = (type: string): readonly Told[] =>
  (box.entries(box.journal.origin()) as unknown as readonly Told[]).filter((entry) => entry.type === type);

async function visited(): Promise<void> {
  door(0);
  door(1);
  upMs += 5_000;
  door(1);
  await flush();
}

test('without another log between them, scan and door name the start in which they were seen', async () => {
  await scannedBeforeRestart();
  await visited();
  expect(entriesOf('parcel.deposited')[0]?.data.scans).toMatchObject([{ boot: 1, up_ms: 1_100 }]);
  expect(entriesOf('door.opened')[0]?.seen).toMatchObject({ from_boot: 1 });
});

test('a rotation between scan and door: the new log names no start that it did not count', async () => {
  const first = await scannedBeforeRestart();
  await box.journal.rotate();
  await visited();
  expect(box.journal.origin()).not.toBe(first);
  const [deposited] = entriesOf('parcel.deposited');
  expect(deposited?.boot).toBe(1);
  expect(deposited?.data.scans).toEqual([
    { device: 'scanner-1', parcel: { ref: '340123450000000017', scheme: 'sscc' } },
  ]);
  // What was seen in the running start is told as before: it is start 1 of the new log.
  expect(deposited?.data.door).toEqual({ closed: { from_ms: 1_000, to_ms: 1_500 } });
  expect(entriesOf('door.opened')[0]).not.toHaveProperty('seen');
});

test('a quarantine while the events wait for the disk: they land in a log that does not know the starts they name', async () => {
  const first = await scannedBeforeRestart();
  vi.spyOn(box.journal.log().database, 'commit').mockImplementation(() => {
    throw new LatchkeyError('JOURNAL_DAMAGED', 'as a bad page would');
  });
  await visited();
  await until('the next log', () => ![undefined, first].includes(box.journal.openOrigin()));
  await flush();
  const [deposited] = entriesOf('parcel.deposited');
  expect(deposited?.data.scans).toEqual([
    { device: 'scanner-1', parcel: { ref: '340123450000000017', scheme: 'sscc' } },
  ]);
  expect(entriesOf('door.opened')[0]).toBeDefined();
  expect(entriesOf('door.opened')[0]).not.toHaveProperty('seen');
});

test('after the next start the new log names its own earlier start', async () => {
  await scannedBeforeRestart();
  await box.journal.rotate();
  door(1);
  await until('the state in the new log', () =>
    (box.journal.loadState('custody') ?? '').includes(box.journal.origin()),
  );
  keeper.stop();
  await box.stop();
  await box.start();
  begin();
  expect(box.journal.boot()).toBe(2);
  door(0);
  await flush();
  expect(entriesOf('door.opened')[0]?.seen).toMatchObject({ from_boot: 1 });
});

test('how the run before ended is told without its start number in a log that did not count it', async () => {
  await scannedBeforeRestart();
  await box.journal.rotate();
  const blind = { cause: 'stopped', from_boot: 2, from_up_ms: 40, to_up_ms: 3 };
  const data = { start: 'AAAAAAAAAAAAAAAAAAAAAA', clean: true, blind };
  box.journal.appender.append({ observed: observed(), body: { type: 'gateway.started', data } });
  await flush();
  expect(entriesOf('gateway.started')[0]?.data).toEqual({ ...data, blind: { cause: 'stopped', to_up_ms: 3 } });
});
