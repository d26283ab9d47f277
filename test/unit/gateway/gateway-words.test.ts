import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { EventDraft } from '../../../src/edge/contracts/appender.ts';
import { textsOf } from '../../../src/edge/gateway/findings.ts';
import { journalFindings } from '../../../src/edge/gateway/findings-of-journal.ts';
import { lineFindings, lockFindings, uplinkFindings } from '../../../src/edge/gateway/findings-of-parts.ts';
import { Life } from '../../../src/edge/gateway/life.ts';
import { loadReferenceKeys } from '../../../src/edge/gateway/references.ts';
import { type GatewaySettings, gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { clockSteppedData, openedData } from '../../../src/edge/gateway/words.ts';
import type { JournalStatus } from '../../../src/edge/journal/journal-status.ts';
import type { UplinkHealth } from '../../../src/edge/uplink/health.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { loadSettings } from '../../../src/platform/settings.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const LOG = 'lockers.example/gw-0001/1-9f2c01aa';

const settings: GatewaySettings = loadSettings(
  resolve(import.meta.dirname, '../../../config/gateway.yaml'),
  gatewaySettingsSchema,
);

/** The vocabulary takes it as it is, with nothing withheld. */
function fits(body: EventBody): void {
  expect(guardBody(body)).toEqual({ body, withheld: [] });
}

const facts = {
  start: 'AAAAAAAAAAAAAAAAAAAAAA',
  version: '0.1.0',
  ports: 3,
  devices: 4,
  compartments: 4,
  isFirstStart: true,
};
const kernelBoot = 'ff18afe9-059a-4745-949a-bc03483481fa';

function life(): { life: Life; scheduler: ManualScheduler; drafts: EventDraft[] } {
  const scheduler = new ManualScheduler();
  const drafts: EventDraft[] = [];
  const observe = () => ({
    wallMs: scheduler.wallMs(),
    upMs: Math.floor(scheduler.monotonicMs()),
    clock: { src: 'none' as const },
  });
  const appender = {
    append: (draft: EventDraft) => {
      drafts.push(draft);
      return 'queued' as const;
    },
    flush: () => Promise.resolve(),
  };
  const aliveFacts = () => ({
    queued: 0,
    receipted_size: 7,
    ports_open: 3,
    ports_lost: 0,
    devices_lost: 1,
    rss_kib: 9,
  });
  return {
    life: new Life({ appender, observer: { observe }, scheduler, aliveIntervalMs: 60_000, aliveFacts }),
    scheduler,
    drafts,
  };
}

describe('what the gateway says of itself', () => {
  test('a first start is clean and was not blind before', () => {
    const { life: one, drafts } = life();
    one.started({ ...facts, kernelBoot }, undefined, LOG);
    expect(drafts[0]?.body.data).toMatchObject({ clean: true, kernel_boot: kernelBoot });
    expect(drafts[0]?.body.data).not.toHaveProperty('blind');
    expect(drafts[0]?.urgent).toBe(true);
  });

  test('a start that finds nothing of the run before, where there was one, calls nothing clean', () => {
    const { life: one, drafts } = life();
    one.started({ ...facts, kernelBoot, isFirstStart: false }, undefined, LOG);
    expect(drafts[0]?.body.data).toMatchObject({ clean: false });
    fits(drafts[0]?.body ?? { type: '', data: {} });
  });

  test('a start after a crash names the blind window, and so does one after a clean stop', () => {
    for (const [clean, cause] of [
      [false, 'crashed'],
      [true, 'stopped'],
    ] as const) {
      const { life: one, scheduler, drafts } = life();
      scheduler.advance(12);
      one.started({ ...facts, kernelBoot: undefined }, { clean, origin: LOG, boot: 3, upMs: 812_000 }, LOG);
      expect(drafts[0]?.body.data).toMatchObject({
        clean,
        blind: { cause, from_boot: 3, from_up_ms: 812_000, to_up_ms: 12 },
      });
    }
  });

  test('it says each minute that it is alive, until it says that it stopped', () => {
    const { life: one, scheduler, drafts } = life();
    one.started({ ...facts, kernelBoot }, undefined, LOG);
    scheduler.advance(180_000);
    one.stopped('signal');
    scheduler.advance(180_000);
    expect(drafts.map((draft) => draft.body.type)).toEqual([
      'gateway.started',
      'gateway.alive',
      'gateway.alive',
      'gateway.alive',
      'gateway.stopped',
    ]);
    for (const draft of drafts) fits(draft.body);
    expect(scheduler.pending).toBe(0);
  });

  test('entry 0 and a clock step are in the vocabulary', () => {
    const data = openedData({ settings, version: '0.1.0', start: facts.start, kernelBoot });
    fits({ type: 'journal.opened', data });
    expect(data['settings']).toMatchObject({ alive_interval_ms: 60_000, references: 'pseudonym', keys: 'software' });
    const step = {
      byMs: -1_800_000_000_000,
      beforeWallMs: 1.8e12,
      afterWallMs: 0,
      fromSrc: 'ntp',
      toSrc: 'none',
    } as const;
    fits({ type: 'clock.stepped', data: clockSteppedData(step) });
  });
});

describe('reference keys', () => {
  const dir = makeTempDir('references');
  afterAll(() => dir.remove());
  const keysDir = (name: string): string => {
    const path = join(dir.path, name);
    mkdirSync(path);
    return path;
  };
  const write = (path: string, text: string, mode = 0o600): void => {
    writeFileSync(path, text);
    chmodSync(path, mode);
  };

  test('come oldest first, and other files are none', () => {
    const dirPath = keysDir('good');
    write(join(dirPath, '2026-11.key'), `${'11'.repeat(32)}\n`);
    write(join(dirPath, '2026-10.key'), '10'.repeat(32));
    write(join(dirPath, 'README'), 'none');
    const keys = loadReferenceKeys({ kind: 'pseudonym', keys_dir: dirPath });
    expect(keys.map(({ id, key }) => [id, key.length, key[0]])).toEqual([
      ['2026-10', 32, 0x10],
      ['2026-11', 32, 0x11],
    ]);
    expect(loadReferenceKeys({ kind: 'clear' })).toEqual([]);
  });

  test('that others can read are refused by name', () => {
    const dirPath = keysDir('open');
    write(join(dirPath, 'k.key'), '11'.repeat(32), 0o640);
    expect(() => loadReferenceKeys({ kind: 'pseudonym', keys_dir: dirPath })).toThrow(/expected mode 0600, found 0640/);
  });

  test('that are none, or not there, say what was expected and never repeat the key', () => {
    const dirPath = keysDir('bad');
    expect(() => loadReferenceKeys({ kind: 'pseudonym', keys_dir: dirPath })).toThrow(/found none/);
    write(join(dirPath, 'k.key'), 'SECRET'.repeat(10));
    const load = () => loadReferenceKeys({ kind: 'pseudonym', keys_dir: dirPath });
    expect(load).toThrow(/expected 64 lowercase hex digits/);
    expect(load).not.toThrow(/SECRET/);
    expect(() => loadReferenceKeys({ kind: 'pseudonym', keys_dir: join(dir.path, 'nowhere') })).toThrow(/ENOENT/);
  });
});

describe('health', () => {
  const uplink: UplinkHealth = {
    healthy: true,
    connected: true,
    phase: 'live',
    waiting: 0,
    stalled: false,
    receiptAgeMs: 10,
    windowBatches: 0,
    windowBytes: 0,
    aheadBytes: 0,
    unsendable: 0,
    alarms: [],
  };
  const journal: JournalStatus = {
    logs: [],
    open: 'lockers.example/gw-0001/1-9f2c01aa',
    writer: 'open',
    room: 'ok',
    waiting: 0,
    compared: true,
    setAside: [],
    gone: [],
    leftAlone: [],
  };

  test('is having nothing to say', () => {
    expect([...uplinkFindings(uplink), ...journalFindings(journal)]).toEqual([]);
  });

  test('an open socket whose receipts stand still is no health', () => {
    const problems = uplinkFindings({ ...uplink, stalled: true, waiting: 12 });
    expect(textsOf(problems, 'problem')).toEqual(['no receipt moves although 12 entries wait for one']);
    const one = uplinkFindings({ ...uplink, stalled: true, waiting: 1 });
    expect(textsOf(one, 'problem')).toEqual(['no receipt moves although 1 entry waits for one']);
  });

  test('receipts that stand still are one fault, and without a store in the settings that is what to mend', () => {
    const alarms = ['receipts_stalled lockers.example/gw-0001/1-9f2c01aa', 'memory_lost'];
    const still = { ...uplink, stalled: true, waiting: 12, alarms };
    const text = 'no receipt moves although 12 entries wait for one';
    const forgotten = 'the broker has forgotten what it was to keep for this gateway (uplink: memory_lost)';
    expect(textsOf(uplinkFindings(still), 'problem')).toEqual([text, forgotten]);
    expect(textsOf(uplinkFindings({ ...still, stalled: false }), 'problem')).toEqual([
      'no receipt comes for a log: lockers.example/gw-0001/1-9f2c01aa (uplink: receipts_stalled)',
      forgotten,
    ]);
    expect(uplinkFindings(still, 0)[0]?.remedy).toContain('under receivers');
    expect(uplinkFindings(still, 1)[0]?.remedy).toContain('look at the consumer');
  });

  test('a lock that its own board cannot read is named, with what to look at', () => {
    const place = { device: 'board-1', door: 'shut', held: 0, visited: false } as const;
    expect(lockFindings([{ ...place, name: 'A1' }])).toEqual([]);
    expect(textsOf(lockFindings([{ ...place, name: 'A2', unread: true }]), 'problem')).toEqual([
      'board-1 cannot read the lock of compartment A2: look at its feedback wire and its connector',
    ]);
  });

  test('a lost port, a lost device, a full disk and a file set aside are named', () => {
    const lines = [
      {
        port: 'bank-a',
        state: 'lost',
        reason: 'unplugged',
        devices: [{ name: 'b', driver: 'x', state: 'lost', reason: 'port_lost' }],
      },
      {
        port: 'desk',
        state: 'open',
        reason: 'opened',
        devices: [{ name: 's', driver: 'x', state: 'faulted', reason: 'babbling' }],
      },
    ] as const;
    const alarms = ['log_breached lockers.example/gw-0001/1-9f2c01aa', 'memory_lost'];
    const found = [
      ...journalFindings({ ...journal, writer: 'full', room: 'full', setAside: ['1-9f2c01aa.1'] }),
      ...uplinkFindings({ ...uplink, connected: false, alarms }),
      ...lineFindings(lines),
    ];
    expect(textsOf(found, 'problem')).toEqual([
      "the journal's writer is full",
      'room on the disk: none (full)',
      'a damaged file was set aside: 1-9f2c01aa.1',
      'the broker is not connected: entries wait in the journal',
      'the broker has forgotten what it was to keep for this gateway (uplink: memory_lost)',
      'port bank-a is lost: unplugged',
      's on port desk is faulted: something on the line never falls silent (babbling)',
    ]);
  });
});
