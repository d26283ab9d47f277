import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { verifyCosignature } from '../../../src/evidence/log/cosignature.ts';
import { formatNote, parseNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Alarms } from '../../../src/risk/intake/alarms.ts';
import { FileStore } from '../../../src/risk/intake/file-store/file-store.ts';
import { importExport } from '../../../src/risk/intake/import-export.ts';
import { Parking, ParkingTotal } from '../../../src/risk/intake/parking.ts';
import { Publisher } from '../../../src/risk/intake/publisher.ts';
import { makeReceipt, ownNote } from '../../../src/risk/intake/receipts.ts';
import { openWitnessKey } from '../../../src/risk/intake/witness-key.ts';
import { TestWitness } from '../../support/test-log.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor, statement, TextLogger, testWitness } from './harness.ts';

const home = mkdtempSync(join(tmpdir(), 'latchkey-parts-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
  );
}

describe('parking', () => {
  const limits = { gatewayBytesMax: 10_000, unknownOriginsMax: 2, totalBytesMax: 15_000 };
  const item = (first: number, size: number, kind: 'ahead' | 'unknown' = 'ahead') =>
    ({ kind, first, bytes: new Uint8Array(size).fill(first) }) as const;

  test('gives back what begins low enough, lowest first, and counts its bytes', () => {
    const total = new ParkingTotal(15_000);
    const parking = new Parking(limits, total);
    for (const first of [9, 3, 6]) expect(parking.park('a', item(first, 100))).toBe('parked');
    expect(parking.park('a', item(3, 100))).toBe('known');
    expect(parking.firstAhead('a')).toBe(3);
    expect(parking.take('a', 'ahead', 6).map(({ first }) => first)).toEqual([3, 6]);
    expect(parking.take('a', 'unknown', 100)).toEqual([]);
    expect(parking.count('a')).toBe(1);
    parking.take('a', 'ahead', Number.POSITIVE_INFINITY);
    expect([parking.bytes, total.bytes]).toEqual([0, 0]);
  });

  test('one gateway cannot take the room of all, and all together not more than there is', () => {
    const total = new ParkingTotal(15_000);
    const [one, other] = [new Parking(limits, total), new Parking(limits, total)];
    expect(one.park('a', item(1, 8_000, 'unknown'))).toBe('parked');
    expect(one.park('b', item(1, 8_000, 'unknown'))).toBe('full');
    expect(other.park('c', item(1, 8_000, 'unknown'))).toBe('full');
    expect(other.park('c', item(1, 2_000, 'unknown'))).toBe('parked');
  });
});

describe('the witness key', () => {
  test('is refused when others may read it, when it is none, and under another name', async () => {
    const path = join(home, 'keys', 'witness.key');
    const { key, made } = await openWitnessKey(nodeCrypto, path, 'a.example/one');
    expect(made).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(home, 'keys'))).toEqual(['witness.key']);
    const again = await openWitnessKey(nodeCrypto, path, 'a.example/one');
    expect([again.made, again.key.vkey]).toEqual([false, key.vkey]);
    expect(await codeOf(openWitnessKey(nodeCrypto, path, 'a.example/two'))).toBe('CONFIG_INVALID');
    expect(await codeOf(openWitnessKey(nodeCrypto, path, 'two words'))).toBe('CONFIG_INVALID');
    chmodSync(path, 0o640);
    expect(await codeOf(openWitnessKey(nodeCrypto, path, 'a.example/one'))).toBe('KEY_PERMISSIONS');
    writeFileSync(path, 'latchkey-witness-key v1\na.example/one\nAAAA\n');
    chmodSync(path, 0o600);
    expect(await codeOf(openWitnessKey(nodeCrypto, path, 'a.example/one'))).toBe('KEY_LOST');
    rmSync(path);
    mkdirSync(path);
    expect(await codeOf(openWitnessKey(nodeCrypto, path, 'a.example/one'))).toBe('KEY_PERMISSIONS');
  });

  test('a receipt is the own lines of the note and one more', () => {
    const log = grow(newLog(), 3);
    const [key, stranger] = [testWitness(), new TestWitness('stranger.example/w')];
    const note = stranger.cosign(log.note(), 1);
    const receipt = parseNote(makeReceipt(key, formatNote(ownNote(log.vkey, note)), 1_700_000_000));
    expect(receipt.ok && receipt.value.signatures.map(({ name }) => name)).toEqual([log.origin, key.vkey.name]);
    expect(receipt.ok && verifyCosignature(nodeCrypto, receipt.value, key.vkey)).toEqual({
      ok: true,
      value: { timestampS: 1_700_000_000 },
    });
  });
});

describe('what goes out', () => {
  test('a refusal is counted, a lost connection forgets what waited, and an old answer counts for nothing', async () => {
    const metrics = new MemoryMetrics();
    const answers: ((code: number) => void)[] = [];
    const link = { publish: () => new Promise<number>((resolve) => answers.push(resolve)) };
    const publisher = new Publisher(link, silentLogger, metrics);
    const message = { payload: utf8('x'), retain: true, contentType: 'text/plain' };
    publisher.put('a', message);
    expect(publisher.isIdle).toBe(true);
    publisher.connected();
    publisher.put('a', message);
    publisher.put('a', message);
    expect(answers).toHaveLength(1);
    answers[0]?.(0x97);
    await new Promise((resolve) => setImmediate(resolve));
    expect(answers).toHaveLength(2);
    publisher.put('a', message);
    publisher.lost();
    publisher.connected();
    answers[1]?.(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(publisher.isIdle).toBe(true);
    expect(metrics.value('intake_published', { outcome: 'refused' })).toBe(1);
    expect(metrics.value('intake_published', { outcome: 'taken' })).toBe(1);
  });
});

describe('alarms', () => {
  test('are counted each, logged once a minute, and bounded in number', () => {
    const [scheduler, logger] = [new ManualScheduler(), new TextLogger()];
    const alarms = new Alarms(scheduler, logger, new MemoryMetrics());
    for (let i = 0; i < 5; i += 1) alarms.raise('fork', 'gw-0001', 'log');
    scheduler.advance(60_000);
    alarms.raise('fork', 'gw-0001', 'log');
    expect(alarms.list()).toMatchObject([{ kind: 'fork', gateway: 'gw-0001', origin: 'log', count: 6 }]);
    expect(logger.text.split('\n')).toHaveLength(3);
    for (let i = 0; i < 3_000; i += 1) alarms.raise('unknown_origin', `gw-${i}`);
    expect(alarms.list()).toHaveLength(1_000);
    expect(alarms.unlisted).toBe(2_001);
    expect(logger.text.split('\n').length).toBeLessThan(1_010);
  });
});

describe('an export', () => {
  async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  test('is taken whatever the pieces in which it is read, and no more believed than a message', async () => {
    const [log, stranger] = [grow(newLog(), 30), grow(newLog('stranger', 'gw-0005'), 3)];
    for (const size of [1_000_000, 777]) {
      const h = await new Harness().open(policyFor(log));
      const whole = Buffer.concat([log.export(7), stranger.export(3), utf8('what is this\n')]);
      const work = importExport(h.intake, pieces(whole, size));
      expect(await work).toEqual({ batches: 7, outcomes: { accepted: 5, unknown_origin: 1, incomplete: 1 } });
      await h.settle();
      expect(h.receipts(log).at(-1)).toBe(30);
    }
  });
});

describe('a policy with successor statements of its own', () => {
  test('believes them like those of the gateway', async () => {
    const [a, b, c] = [grow(newLog('a'), 2), grow(newLog('b', 'gw-0001', 2), 2), newLog('c', 'gw-0001', 3)];
    const h = await new Harness().open({ ...policyFor(a), successors: [statement(a, b, 2)] });
    await h.batch(b, b.batch(0));
    expect(h.receipts(b)).toEqual([2]);
    h.intake.setPolicy({ ...policyFor(a), successors: [statement(a, b, 2), statement(a, c, 2)] });
    await h.settle();
    expect(h.alarm('second_successor')).toBe(3);
  });
});

describe('the files of a store', () => {
  test('a folder that was moved to another log is refused by name', async () => {
    const directory = join(home, 'moved');
    const log = grow(newLog(), 3);
    const h = new Harness();
    h.store = await FileStore.open({ crypto: nodeCrypto, directory });
    await h.open(policyFor(log));
    await h.batch(log, log.batch(0));
    await h.intake.close();
    await h.store.close();
    expect(readdirSync(directory).sort()).toEqual(['clean', 'lock', 'lock.pid', 'logs']);
    const gateway = join(directory, 'logs', 'gw-0001');
    const [name = ''] = readdirSync(gateway);
    cpSync(join(gateway, name), join(gateway, `2${name.slice(1)}`), { recursive: true });
    const store = await FileStore.open({ crypto: nodeCrypto, directory });
    expect(readdirSync(directory)).not.toContain('clean');
    expect(await codeOf(store.load('gw-0001'))).toBe('STORE_IO');
    rmSync(join(gateway, name), { recursive: true });
    renameSync(join(gateway, `2${name.slice(1)}`), join(gateway, name));
    expect((await store.load('gw-0001')).logs).toHaveLength(1);
    await store.close();
    expect(await codeOf(store.append([]))).toBe('STORE_IO');
  });
});
