/** The driver, its pairing and its port against firmware in C on a pseudo-terminal. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { LatchkeyLine } from '../../../src/edge/drivers/latchkey/latchkey-line.ts';
import { pairDevice, parsePairingCode } from '../../../src/edge/drivers/latchkey/pair.ts';
import { latchkeySettings } from '../../../src/edge/drivers/latchkey/settings.ts';
import { createPort } from '../../../src/edge/ports/create-port.ts';
import { linkSchema } from '../../../src/edge/ports/settings.ts';
import { type Locker, startLocker } from '../../support/locker.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const scheduler = systemScheduler();
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const logger = { ...silent, child: () => logger };
const BAUD = 115_200;

let dir: TempDir;
let locker: Locker;
let line: LatchkeyLine | undefined;
let readings: Reading[];
beforeEach(async () => {
  dir = makeTempDir();
  readings = [];
  locker = await startLocker({ dir: dir.path });
});
afterEach(async () => {
  await line?.stop();
  line = undefined;
  await locker.stop();
  dir.remove();
});

const keyFile = (): string => join(dir.path, 'keys', 'bank.json');
const portOf = (metrics: MemoryMetrics) => {
  const settings = { name: 'wire', link: linkSchema.parse({ kind: 'serial', path: locker.path }) };
  return createPort({ settings, baudDefault: BAUD, scheduler, logger, metrics });
};

function deviceSettings(more: object = {}) {
  return latchkeySettings.parse({ driver: 'latchkey', name: 'bank', channels: 12, key_file: keyFile(), ...more });
}

async function pair(code?: string, breaking?: AbortController) {
  const parsed = code === undefined ? undefined : parsePairingCode(code);
  if (parsed?.ok === false) throw new Error(parsed.detail);
  const signal = breaking?.signal ?? AbortSignal.timeout(60_000);
  const parts = {
    port: portOf(new MemoryMetrics()),
    baud: BAUD,
    marginMs: 200,
    scheduler,
    signal,
    say: () => breaking?.abort(),
  };
  return pairDevice({ ...parts, settings: deviceSettings() }, parsed?.value);
}

function start(more: object = {}): MemoryMetrics {
  const metrics = new MemoryMetrics();
  const startMs = scheduler.monotonicMs();
  const observer = {
    observe: () => ({
      wallMs: 0,
      upMs: Math.trunc(scheduler.monotonicMs() - startMs),
      clock: { src: 'none' as const },
    }),
  };
  line = new LatchkeyLine({
    port: portOf(metrics),
    sink: (reading) => void readings.push(reading),
    observer,
    scheduler,
    logger,
    metrics,
    devices: [deviceSettings(more)],
    baud: BAUD,
    cycleMs: 20,
    marginMs: 200,
  });
  line.start();
  return metrics;
}

const devices = (): readonly string[] =>
  readings.flatMap((reading) => (reading.kind === 'device' ? [`${reading.state} ${reading.reason}`] : []));
const seen = (what: string): Promise<void> => until(`the device is ${what}`, () => devices().includes(what));

describe('pairing', () => {
  test('gives an unpaired device key 1, durably and for nobody else to read, and rotates it', async () => {
    expect(await pair(locker.pairingCode)).toMatchObject({ identity: locker.identity, key: 1, boot: 1 });
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
    const before = readFileSync(keyFile(), 'utf8');
    expect(await pair()).toMatchObject({ key: 2 });
    expect(readFileSync(keyFile(), 'utf8')).not.toBe(before);
    // The label key opens a paired device only while its button is pressed.
    await expect(pair(locker.pairingCode)).rejects.toThrow('pairing mode');
    locker.hands('pairing 1');
    expect(await pair(locker.pairingCode)).toMatchObject({ key: 3 });
    // Of another gateway it knows nothing: numbers grow until the device takes one.
    writeFileSync(keyFile(), JSON.stringify({ latchkey_device_keys: 1, identity: locker.identity, boot: 0 }), {
      mode: 0o600,
    });
    expect((await pair(locker.pairingCode)).key).toBeGreaterThan(3);
  });

  test('a rotation that was cut when the device had its next key, and is cut once more, leaves a key that both have', async () => {
    await pair(locker.pairingCode);
    const first = JSON.parse(readFileSync(keyFile(), 'utf8')) as { current: object };
    await pair();
    const second = JSON.parse(readFileSync(keyFile(), 'utf8')) as { current: object };
    // As before the last step: the device has forgotten the first key, the file has not.
    writeFileSync(keyFile(), JSON.stringify({ ...first, next: second.current }));
    // Broken off between the file and SET_KEY.
    await expect(pair(undefined, new AbortController())).rejects.toThrow('broken off');
    expect(await pair()).toMatchObject({ key: 4 });
  });

  test('names who is there when the device of the label is not', async () => {
    const other = await startLocker({ dir: dir.path, name: 'other', identity: Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9) });
    try {
      await expect(pair(other.pairingCode)).rejects.toThrow(
        `expected device ${other.identity} on this line, found ${locker.identity}`,
      );
    } finally {
      await other.stop();
    }
  });

  test('a code with a wrong letter is noticed, and not repeated', () => {
    const letter = locker.pairingCode.startsWith('A') ? 'B' : 'A';
    const wrong = parsePairingCode(letter + locker.pairingCode.slice(1));
    expect(wrong).toMatchObject({ ok: false, reason: 'code' });
    expect(JSON.stringify(wrong)).not.toContain(locker.pairingCode.slice(7, 13));
    expect(parsePairingCode(locker.pairingCode.toLowerCase()).ok).toBe(true);
    expect(parsePairingCode('ABC')).toMatchObject({ ok: false, detail: expect.stringContaining('42') });
  });
});

describe('readings', () => {
  test('what happened is told in its order, and a door that opened and shut between two polls is seen', async () => {
    await pair(locker.pairingCode);
    start();
    await seen('found authenticated');
    await until('the first look', () => readings.some(({ kind }) => kind === 'board'));
    const from = readings.length;
    locker.hands('door 3 open\ndoor 3 shut\nscan ]C0 ABC-1\nkeypad 1 4711\nweight 1 1500\ntamper 1 1\npower 0 0 80');
    await until('mains is told', () =>
      readings.some((one) => one.kind === 'input' && one.what === 'mains' && one.active),
    );
    const since = readings.slice(from);
    const third = since.flatMap((one) => (one.kind === 'board' ? [one.channels[2]?.feedback] : []));
    const open = third.indexOf(0);
    // Two samples each: what custody needs to believe a change.
    expect(third.slice(open, open + 4)).toEqual([0, 0, 1, 1]);
    expect(since.find(({ kind }) => kind === 'scan')).toMatchObject({ code: { aim: ']C0', text: 'ABC-1' } });
    expect(since.find(({ kind }) => kind === 'weight')).toMatchObject({ grams: 1_500, state: 'stable' });
    const keypad = since.find(({ kind }) => kind === 'keypad');
    expect(keypad?.kind === 'keypad' && keypad.entry.reveal()).toBe('4711');
    expect(
      since.filter((one) => one.kind === 'input' && one.input === 'tamper_a' && one.active).length,
    ).toBeGreaterThan(1);
    const found = readings.find(({ kind }) => kind === 'device');
    expect(found).toMatchObject({ sensor: { boot: 1, key: 1, model: 'example', version: '1.0.0' } });
  });

  test('an unlock is fired once and answered', async () => {
    await pair(locker.pairingCode);
    start();
    await seen('found authenticated');
    expect(await line?.unlock('bank', 4, new AbortController().signal)).toMatchObject({
      kind: 'sent',
      reply: 'accepted',
    });
    expect(await locker.child.line(/^fired/)).toBe('fired 4 500');
    expect(await line?.unlock('bank', 13, new AbortController().signal)).toEqual({
      kind: 'not_sent',
      reason: 'unknown_channel',
    });
  });

  test('a device that started anew is lost and found under another session', async () => {
    await pair(locker.pairingCode);
    start();
    await seen('found authenticated');
    locker.hands('reset');
    await until('found again', () => devices().filter((one) => one.startsWith('found')).length === 2);
    expect(devices().filter((one) => one.startsWith('lost'))).toHaveLength(1);
    const claims = readings.flatMap((one) => (one.kind === 'device' && one.sensor ? [one.sensor] : []));
    expect(claims.map(({ boot }) => boot)).toEqual([1, 2]);
    expect(claims[0]?.session).not.toBe(claims[1]?.session);
  });
});

describe('what is not believed', () => {
  test('a device that nobody paired', async () => {
    start();
    await seen('faulted not_paired');
    expect(readings.some(({ kind }) => kind === 'board')).toBe(false);
  });

  test('another firmware than the settings allow', async () => {
    await pair(locker.pairingCode);
    start({ firmware: ['0'.repeat(64)] });
    await seen('faulted unmeasured');
    expect(readings.some(({ kind }) => kind === 'board')).toBe(false);
  });

  test('a device that counts fewer starts than before', async () => {
    await pair(locker.pairingCode);
    const kept = JSON.parse(readFileSync(keyFile(), 'utf8')) as object;
    writeFileSync(keyFile(), JSON.stringify({ ...kept, boot: 9 }));
    start();
    await seen('faulted went_back');
    expect(readings.some(({ kind }) => kind === 'board')).toBe(false);
  });

  test('a device with other channels than configured, or without the key', async () => {
    await pair(locker.pairingCode);
    start({ channels: 8 });
    await seen('faulted wrong_channels');
    await line?.stop();
    const kept = JSON.parse(readFileSync(keyFile(), 'utf8')) as { current: object };
    const key = Buffer.alloc(16).toString('base64');
    writeFileSync(keyFile(), JSON.stringify({ ...kept, current: { ...kept.current, key } }));
    const metrics = start();
    await until('a forgery is counted', () => metrics.value('wire_refused', { port: 'wire', what: 'forged' }) > 0);
    await until('it is told', () => readings.some((one) => one.kind === 'input' && one.input === 'line_forged'));
    expect(readings.some(({ kind }) => kind === 'board')).toBe(false);
  });
});
