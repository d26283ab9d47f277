import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Child } from '../../../simulators/demo/child-process.ts';
import { readExport } from '../../../simulators/demo/exported.ts';
import { about, Feed } from '../../../simulators/demo/feed.ts';
import { killMidWrite } from '../../../simulators/demo/mid-write.ts';
import { isGood, type Summary } from '../../../simulators/demo/report.ts';
import { countStored, sameAtBothEnds } from '../../../simulators/demo/stored.ts';
import { flipOneByte, removeEntry } from '../../../simulators/demo/tamper.ts';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { CustodyEvent, EventBody } from '../../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { TestLog } from '../../support/test-log.ts';

let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir('demo');
});
afterEach(() => dir.remove());

function eventOf(log: string, n: number, body: EventBody): CustodyEvent {
  return {
    ...body,
    v: 1,
    log,
    n,
    salt: 'AAAAAAAAAAAAAAAAAAAAAA',
    at: '2026-11-22T09:00:00.000Z',
    clock: { src: 'none' },
    boot: 1,
    up_ms: n,
  };
}

/** A log of ten visits, exported in batches of three. */
function exportedLog(): { log: TestLog; file: string } {
  const log = new TestLog('demo');
  for (let n = 0; n < 10; n += 1) {
    const type = n === 4 ? 'parcel.deposited' : 'door.opened';
    const data = n === 4 ? { closed_by: 'door_shut' } : {};
    log.append(encodeLeaf(eventOf(log.origin, n, { type, compartment: `w${n}`, data })));
  }
  const file = dir.file('export.ndjson');
  writeFileSync(file, log.export(3));
  return { log, file };
}

describe('the demo reads evidence', () => {
  test('batch by batch, with every line in its place', () => {
    const { log, file } = exportedLog();
    const exported = readExport(file);
    expect(exported.batches.map(({ first, count }) => [first, count])).toEqual([
      [0, 3],
      [3, 3],
      [6, 3],
      [9, 1],
    ]);
    expect(exported.size).toBe(10);
    for (const { line, event } of exported.events) {
      expect(exported.lines[line]).toBe(utf8Text(log.leaves[event.n] ?? Uint8Array.of()));
    }
  });

  test('and tampers with one byte: another compartment', () => {
    const { file } = exportedLog();
    const { what, file: copy } = flipOneByte(file, readExport(file), dir.file('copy'));
    const before = readFileSync(file);
    const after = readFileSync(copy);
    const changed = [...before.entries()].filter(([at, byte]) => after[at] !== byte);
    expect(changed).toHaveLength(1);
    expect(after.length).toBe(before.length);
    expect(after.toString()).toContain('"compartment":"w6","data":{"closed_by"');
    expect(what).toMatch(/changed from "4" to "6" \(entry 4\)/);
  });

  test('or makes an entry disappear, as well as somebody without the key of the log can', () => {
    const { log, file } = exportedLog();
    const { what, file: forged } = removeEntry(readExport(file), log.vkey, dir.file('forged'));
    expect(what).toContain('entry 8 (door.opened) removed');
    const after = readExport(forged);
    expect(after.events.map(({ event }) => event.n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(after.batches.at(-1)).toMatchObject({ first: 6, count: 2 });
  });

  test('counts what the service stored, and what twice', () => {
    const { file } = exportedLog();
    const exported = readExport(file);
    const lines = exported.events.map(({ line, event }) => ({ n: event.n, line: exported.lines[line] ?? '' }));
    const rows = lines.slice(0, 4).map(({ n, line }) => ({ n, leaf: utf8(line) }));
    const stored = countStored([...rows, { n: 2, leaf: utf8(lines[2]?.line ?? '') }, { n: 4, leaf: null }]);
    expect([...stored.leaves.keys()]).toEqual([0, 1, 2, 3, 4]);
    expect(stored.duplicates).toBe(1);
    expect(sameAtBothEnds(stored, lines)).toBe(4);
  });

  test('is good only when nothing is lost or doubled and all verified', () => {
    const good = {
      events: 3,
      delivered: 3,
      receipted: 3,
      lost: 0,
      duplicates: 0,
      verified: true,
      tamper_detected: true,
      decisions: [{ scenario: 'velocity-3', outcome: 'HOLD' }],
    };
    const judged = (change: object, replayed = true): boolean =>
      isGood({ ...good, ...change } as unknown as Summary, { replayed });
    expect(judged({})).toBe(true);
    expect(judged({}, false)).toBe(false);
    expect(judged({ decisions: [{ scenario: 'velocity-3', outcome: 'PAY' }] })).toBe(false);
    const unanchored = { ak_spki: 'AA==', anchors: 0 };
    for (const bad of [{ lost: 1 }, { duplicates: 1 }, { verified: false }, { tamper_detected: false }, unanchored]) {
      expect(judged(bad)).toBe(false);
    }
  });
});

describe('the demo follows the gateway', () => {
  test('entry by entry, each once, also those that were there before', async () => {
    const seen: number[] = [];
    const feed = new Feed((entry) => seen.push(entry.n));
    const log = 'lockers.example/gw-1/1-00000000';
    const line = (n: number, type: string): string =>
      utf8Text(encodeLeaf(eventOf(log, n, { type, compartment: 'w1', data: {} }))) ?? '';
    feed.take(line(0, 'door.opened'));
    feed.take('not an entry');
    feed.take(line(0, 'door.opened'));
    expect(seen).toEqual([0]);
    expect((await feed.after(0, 'opening', about('door.opened', 'w1'))).n).toBe(0);
    const next = feed.after(feed.size, 'opening', about('door.opened', 'w1'));
    feed.take(line(1, 'door.closed'));
    feed.take(line(2, 'door.opened'));
    expect((await next).n).toBe(2);
  });

  test('and kills it at the first write to its journal', async () => {
    const write = `const fs = require('node:fs'); const fd = fs.openSync(${JSON.stringify(dir.file('1.db-wal'))}, 'a');
      process.stdin.on('data', () => setInterval(() => fs.writeSync(fd, 'x'.repeat(4096)), 5)); console.log('up');`;
    const child = new Child(process.execPath, ['-e', write]);
    await child.line('up');
    const killed = killMidWrite(child.pid, dir.path, 10_000);
    await delay(20);
    expect(child.running).toBe(true);
    child.write('go\n');
    expect(await killed).toEqual({ file: '1.db-wal' });
    expect(await child.exit()).toMatchObject({ signal: 'SIGKILL' });
    await expect(killMidWrite(child.pid, dir.path, 20)).rejects.toThrow(/nothing was written/);
  });
});
