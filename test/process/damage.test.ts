/**
 * A disk that lies: the daemon starts all the same, sets aside what is damaged, says the break in a signed entry of a new
 * log, and the consumer, which trusts only the old log's key, gets every scan.
 */
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { startBroker } from '../support/broker.ts';
import { makeRig, type Rig, UPLINK_TIMES } from './support/rig.ts';

const SCANS = 40;

interface Damage {
  readonly what: string;
  /** `db` is the file of the open log; the daemon is dead. */
  readonly harm: (db: string, rig: Rig) => void;
  readonly end?: 'SIGTERM';
  readonly cause: string;
  readonly aside: boolean;
}

const DAMAGES: readonly Damage[] = [
  {
    what: 'zero-length',
    harm: (db) => {
      truncateSync(db, 0);
      rmSync(`${db}-wal`, { force: true });
    },
    cause: 'quarantine',
    aside: true,
  },
  {
    what: 'truncated',
    harm: (db) => {
      rmSync(`${db}-wal`, { force: true });
      truncateSync(db, Math.floor(statSync(db).size / 2));
    },
    cause: 'quarantine',
    aside: true,
  },
  {
    what: 'bit-flipped in one event',
    // A clean end moves everything out of the write-ahead log, whose own check sums would hide the flip.
    end: 'SIGTERM',
    harm: (db) => flip(db, readFileSync(db).indexOf('code.scanned')),
    cause: 'quarantine',
    aside: true,
  },
  {
    what: 'lost with its folder',
    harm: (db) => rmSync(join(db, '..'), { recursive: true }),
    cause: 'missing',
    aside: false,
  },
];

describe('a database that is', () => {
  test.for(DAMAGES)('$what: the daemon starts, the break is signed, and nothing is stranded', async (damage) => {
    const rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1' });
    try {
      rig.feed.scan(SCANS);
      await arrived(rig, SCANS);
      await rig.gateway.stop(damage.end ?? 'SIGKILL');
      damage.harm(databaseOf(rig), rig);
      await rig.startGateway();
      rig.feed.scan(SCANS);
      await arrived(rig, 2 * SCANS);
      const [first, second, ...more] = rig.stored();
      expect(more).toEqual([]);
      const opened = JSON.parse(second?.entries[0]?.line ?? '{}') as CustodyEvent;
      expect(opened).toMatchObject({
        n: 0,
        type: 'journal.opened',
        data: { after: { log: first?.origin, cause: damage.cause } },
      });
      expect(existsSync(join(rig.gatewayData, 'journal/quarantine'))).toBe(damage.aside);
      const numbers = scans(rig).map((event) => event.data['text']);
      expect(new Set(numbers).size).toBe(2 * SCANS);
      expect(rig.oracle.judge(rig.stored())).toEqual([]);
    } finally {
      await rig.close();
    }
  });
});

test('a database restored from a copy is breached, and no second root ever leaves', async () => {
  // Long enough that a pause of the machine is not taken for the end of what the broker remembers.
  const uplink = { ...UPLINK_TIMES, memory_quiet_ms: 3_000 };
  const rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', gateway: { uplink } });
  try {
    await arrived(rig, 0);
    rig.gateway.signal('SIGKILL');
    await rig.gateway.exit();
    const copy = rig.dir.file('copy');
    cpSync(join(rig.gatewayData, 'journal'), copy, { recursive: true });
    await rig.startGateway();
    rig.feed.scan(SCANS);
    await arrived(rig, SCANS);
    rig.gateway.signal('SIGKILL');
    await rig.gateway.exit();
    rmSync(join(rig.gatewayData, 'journal'), { recursive: true });
    cpSync(copy, join(rig.gatewayData, 'journal'), { recursive: true });
    await rig.startGateway();
    rig.feed.scan(SCANS);
    await arrived(rig, 2 * SCANS);
    // Told for good, and no problem any more once all that was carried is receipted.
    const status = await rig.statusUntil('the breach is over', ({ notices }) => notices.length > 0);
    expect(status.notices.join('; ')).toMatch(/is breached/);
    expect(status.problems.join('; ')).not.toMatch(/breached/);
    const opened = JSON.parse(rig.stored()[1]?.entries[0]?.line ?? '{}') as CustodyEvent;
    expect(opened).toMatchObject({ type: 'journal.opened', data: { after: { cause: 'breach' } } });
    expect(opened.data).toHaveProperty('expected');
    expect(opened.data).toHaveProperty('found');
    expect(rig.oracle.judge(rig.stored())).toEqual([]);
  } finally {
    await rig.close();
  }
});

function databaseOf(rig: Rig): string {
  const directory = join(rig.gatewayData, 'journal');
  const name = readdirSync(directory).find((one) => one.endsWith('.db')) ?? '';
  return join(directory, name);
}

function flip(path: string, at: number): void {
  expect(at).toBeGreaterThan(0);
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, at);
  writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 0x55), 0, 1, at);
  closeSync(file);
}

function scans(rig: Rig): readonly CustodyEvent[] {
  const events = rig.stored().flatMap((log) => log.entries.map(({ line }) => JSON.parse(line) as CustodyEvent));
  return events.filter((event) => event.type === 'code.scanned');
}

async function arrived(rig: Rig, count: number): Promise<void> {
  await expect
    .poll(() => new Set(scans(rig).map((event) => event.data['text'])).size, {
      timeout: 60_000,
      message: rig.gateway.tail(),
    })
    .toBe(count);
}
