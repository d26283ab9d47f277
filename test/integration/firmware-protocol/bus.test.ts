/** Several devices in C on one multi-drop line: found and paired one by one, and what one of them can do to the others. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LatchkeySettings } from '../../../src/edge/drivers/latchkey/settings.ts';
import { type Locker, startLocker } from '../../support/locker.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';
import { openHub, type WireHub } from '../../support/wire-hub.ts';
import { pairAt, type RunningLine, startLine, wireSettings } from '../../support/wire-line.ts';

let dir: TempDir;
let lockers: Locker[];
let hub: WireHub | undefined;
let running: RunningLine | undefined;
beforeEach(() => {
  dir = makeTempDir();
  lockers = [];
});
afterEach(async () => {
  await running?.line.stop();
  running = undefined;
  await hub?.close();
  hub = undefined;
  for (const locker of lockers) await locker.stop();
  dir.remove();
});

async function locker(name: string, first: number): Promise<Locker> {
  const identity = Uint8Array.of(first, 0x4b, 0, 0, 0, 0, 0, 7);
  const one = await startLocker({ dir: dir.path, name, identity, labelKey: new Uint8Array(16).fill(first) });
  lockers.push(one);
  return one;
}

const settingsOf = (name: string, address: number): LatchkeySettings =>
  wireSettings(name, join(dir.path, 'keys', `${name}.json`), { address });

const last = (device: string): string | undefined => running?.changes(device).at(-1);
const becomes = (device: string, what: string): Promise<void> =>
  until(`${device} is ${what}`, () => last(device) === what);

describe('three devices on one pair', () => {
  const names = ['bank-a', 'bank-b', 'bank-c'];
  let devices: readonly LatchkeySettings[];
  beforeEach(async () => {
    for (const [i, name] of names.entries()) await locker(name, 0x20 + 0x60 * i);
    hub = await openHub({ devices: lockers.map(({ path }) => path) });
    devices = names.map((name, i) => settingsOf(name, i + 1));
  });

  test('leave the factory with one address, get one each, and are all read; one that is pulled takes nobody along', async () => {
    // All three answer at address 1 until they are given others: the last first, so that nobody is in its way.
    for (const i of [2, 1, 0]) {
      const device = devices[i];
      const there = lockers[i];
      if (device === undefined || there === undefined) throw new Error('three of each');
      const paired = await pairAt(hub?.path ?? '', device, there.pairingCode);
      expect(paired).toMatchObject({ identity: there.identity, key: 1 });
    }
    running = startLine(hub?.path ?? '', devices);
    for (const name of names) await becomes(name, 'found authenticated');
    hub?.pull(1);
    await becomes('bank-b', 'lost no_reply');
    for (const i of [0, 2]) {
      lockers[i]?.hands(`scan ]C0 WHILE-${i}`);
      await until('its scan comes', () =>
        Boolean(running?.readings.some((one) => one.kind === 'scan' && one.code.text === `WHILE-${i}`)),
      );
    }
    expect(running.changes('bank-a')).toEqual(['found authenticated']);
    expect(running.changes('bank-c')).toEqual(['found authenticated']);
    // What it sensed meanwhile waited for an acknowledgement.
    lockers[1]?.hands('scan ]C0 PULLED');
    hub?.plug(1);
    await becomes('bank-b', 'found authenticated');
    await until('what waited comes', () =>
      Boolean(running?.readings.some((one) => one.kind === 'scan' && one.code.text === 'PULLED')),
    );
    expect(running.changes('bank-b')).not.toContain('faulted events_lost');
  });

  test('one that babbles silences all, is believed in nothing, and accuses nobody; after it all are back', async () => {
    for (const i of [2, 1, 0]) {
      const device = devices[i];
      if (device !== undefined) await pairAt(hub?.path ?? '', device, lockers[i]?.pairingCode ?? '');
    }
    running = startLine(hub?.path ?? '', devices);
    for (const name of names) await becomes(name, 'found authenticated');
    hub?.babble(true);
    for (const name of names) await becomes(name, 'lost no_reply');
    lockers[0]?.hands('scan ]C0 IN-THE-NOISE');
    // Another attempt in vain for each, and the look at whose address it is.
    const hellos = hub?.fromGateway.length ?? 0;
    await until('it tried again', () => (hub?.fromGateway.length ?? 0) > hellos + 24);
    hub?.babble(false);
    for (const name of names) await becomes(name, 'found authenticated');
    await until('what waited comes', () =>
      Boolean(running?.readings.some((one) => one.kind === 'scan' && one.code.text === 'IN-THE-NOISE')),
    );
    const all = names.flatMap((name) => running?.changes(name) ?? []);
    expect([...new Set(all)].sort()).toEqual(['found authenticated', 'lost no_reply']);
    expect(running.readings.some((one) => one.kind === 'input' && one.input.startsWith('line_'))).toBe(false);
  });
});

test('two devices with one address are found out, and believed again once one is gone', async () => {
  const mine = await locker('mine', 0x20);
  const other = await locker('other', 0xe0);
  const device = settingsOf('mine', 1);
  await pairAt(mine.path, device, mine.pairingCode);
  hub = await openHub({ devices: [mine.path, other.path], holdMs: 350 });
  running = startLine(hub.path, [device], 500);
  await becomes('mine', 'faulted duplicate_address');
  expect(running.changes('mine')).toEqual(['faulted duplicate_address']);
  expect(running.readings.some(({ kind }) => kind === 'board')).toBe(false);
  hub.pull(1);
  await becomes('mine', 'found authenticated');
});

describe('a device with fewer events in the same boot', () => {
  /** A copy as it was right after its start: the same boot, the same keys, no events. */
  async function copied(): Promise<void> {
    const state = join(dir.path, 'mine.state');
    await lockers.pop()?.stop();
    const bytes = readFileSync(state);
    bytes.writeUInt32LE(bytes.readUInt32LE(0) - 1, 0);
    writeFileSync(state, bytes);
    await locker('mine', 0x20);
  }

  test('went back: no session, before and after the gateway started anew', async () => {
    const mine = await locker('mine', 0x20);
    const device = settingsOf('mine', 1);
    await pairAt(mine.path, device, mine.pairingCode);
    running = startLine(mine.path, [device]);
    await becomes('mine', 'found authenticated');
    mine.hands('scan ]C0 ONE\nscan ]C0 TWO');
    await until('both are here', () => running?.readings.filter(({ kind }) => kind === 'scan').length === 2);
    await copied();
    await becomes('mine', 'faulted went_back');
    const boards = running.readings.filter(({ kind }) => kind === 'board').length;
    await running.line.stop();
    expect(running.readings.filter(({ kind }) => kind === 'board').length).toBe(boards);
    expect(JSON.parse(readFileSync(device.key_file, 'utf8'))).toMatchObject({ boot: 1, events: 2 });
    // Nothing of the first gateway's memory is left but its file.
    running = startLine(mine.path, [device]);
    await becomes('mine', 'faulted went_back');
    expect(running.readings.some(({ kind }) => kind === 'board')).toBe(false);
    // A start of its own counts up: events are counted from one again.
    lockers[0]?.hands('reset');
    await becomes('mine', 'found authenticated');
    expect(JSON.parse(readFileSync(device.key_file, 'utf8'))).toMatchObject({ boot: 2, events: 0 });
  });
});
