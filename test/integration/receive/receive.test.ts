import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { formatEnrolment, formatStatus } from '../../../src/evidence/wire/messages.ts';
import { receiverVkey } from '../../../src/risk/receive/receive.ts';
import { receiveSettingsSchema } from '../../../src/risk/receive/settings.ts';
import { until } from '../../support/until.ts';
import { grow, newLog } from '../../unit/intake/events.ts';
import { statement } from '../../unit/intake/harness.ts';
import { Fleet } from './fleet.ts';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(() => fleet.end());

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
  );
}

/** Every path below a folder. */
function below(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) =>
    join(entry.parentPath, entry.name),
  );
}

describe('latchkey receive', () => {
  test('gateways of several partitions are stored and receipted, and the status says so', async () => {
    const logs = ['gw-0001', 'gw-0002', 'gw-0003'].map((gateway) => grow(newLog(gateway, gateway), 20));
    fleet.believe(...logs);
    const receiver = await fleet.receive();
    for (const log of logs) {
      await fleet.send(log, 'batch', log.batch(0, 12));
      await fleet.send(log, 'batch', log.batch(12, 20));
    }
    for (const log of logs) await fleet.untilReceipted(log, 20);
    await receiver.stop();
    const status = fleet.status();
    expect(status).toMatchObject({ state: 'stopped', store: { state: 'ok' }, alarms: [] });
    expect(status.gateways.flatMap((gateway) => gateway.logs).map(({ size, receipted }) => [size, receipted])).toEqual(
      logs.map(() => [20, 20]),
    );
    const modes = below(fleet.dataDir).map((path) => statSync(path).mode & 0o077);
    expect(modes.length).toBeGreaterThan(10);
    expect(new Set(modes)).toEqual(new Set([0]));
  });

  test('after a restart the store goes on, and a resent range is answered with its receipt', async () => {
    const log = grow(newLog(), 8);
    fleet.believe(log);
    await (async () => {
      const first = await fleet.receive();
      await fleet.send(log, 'batch', log.batch(0, 5));
      await fleet.untilReceipted(log, 5);
      await first.stop();
    })();
    await fleet.broker.forgetRetained();
    await fleet.receive();
    await fleet.untilReceipted(log, 5);
    await fleet.broker.forgetRetained();
    await fleet.sendUntilReceipted(log, 'batch', log.batch(0, 5), 5);
    await fleet.send(log, 'batch', log.batch(5, 8));
    await fleet.untilReceipted(log, 8);
  });

  test('a broker that goes away, comes back and lost what it retained is told the receipts again', async () => {
    const log = grow(newLog(), 6);
    fleet.believe(log);
    await fleet.receive();
    await fleet.send(log, 'batch', log.batch(0, 6));
    await fleet.untilReceipted(log, 6);
    await fleet.broker.forgetRetained();
    await fleet.broker.kill();
    await fleet.broker.restart();
    await fleet.untilReceipted(log, 6);
    await until('the gateways are back', () => fleet.gateway.connected);
    grow(log, 1);
    await fleet.send(log, 'batch', log.batch(6, 7));
    await fleet.untilReceipted(log, 7);
  });

  test('a gateway that comes online finds its newest receipt, though the broker lost it', async () => {
    const log = grow(newLog(), 4);
    fleet.believe(log);
    await fleet.receive();
    await fleet.send(log, 'batch', log.batch(0));
    await fleet.untilReceipted(log, 4);
    await fleet.broker.forgetRetained();
    await fleet.sendUntilReceipted(log, 'status', formatStatus({ boot: 2, state: 'online' }), 4);
  });

  test('a changed policy is read at a reload: what was parked is taken, a broken one changes nothing', async () => {
    const [known, later] = [grow(newLog(), 2), grow(newLog('later', 'gw-0001', 2), 5)];
    fleet.believe(known);
    const receiver = await fleet.receive();
    await fleet.send(later, 'batch', later.batch(0));
    await until('it is parked', () => (fleet.status().gateways[0]?.unknown_origins.length ?? 0) > 0);
    writeFileSync(join(fleet.home, 'policy.json'), '{"v":1,"logs":[{"vkey":"nonsense"}],"more":true}');
    receiver.reload();
    await until('the fault is shown', () => fleet.logger.text.includes('the trust policy was not changed'));
    expect(fleet.logger.text).toContain('logs[0].vkey');
    expect(fleet.logger.text).toContain('more: expected no such member');
    fleet.believe(known, later);
    receiver.reload();
    await fleet.untilReceipted(later, 5);
  });

  test('successor statements that the broker retains are found at the start and at a reload', async () => {
    const [a, b] = [grow(newLog('a'), 3), grow(newLog('b', 'gw-0001', 2), 3)];
    const stranger = grow(newLog('s', 'gw-0007'), 2);
    const next = grow(newLog('n', 'gw-0007', 2), 2);
    for (const [old, log] of [
      [a, b],
      [stranger, next],
    ] as const) {
      await fleet.send(old, 'enrolment', formatEnrolment({ successors: [statement(old, log, old.size)] }), true);
    }
    fleet.believe(a);
    const receiver = await fleet.receive();
    await fleet.send(b, 'batch', b.batch(0));
    await fleet.untilReceipted(b, 3);
    await fleet.send(next, 'batch', next.batch(0));
    fleet.believe(a, stranger);
    receiver.reload();
    await fleet.untilReceipted(next, 2);
  });

  test('an export in the import folder closes a gap, at the start and at a reload', async () => {
    const log = grow(newLog(), 60);
    fleet.believe(log);
    fleet.layIn('tail.ndjson', log.export(10, 30));
    const receiver = await fleet.receive();
    await until('the tail is stored', () => fleet.logStatus(log)?.entries === 30);
    expect(fleet.logStatus(log)).toMatchObject({ gaps: [[0, 30]], receipted: 0, contiguous: 0 });
    expect(readdirSync(join(fleet.dataDir, 'import'))).toEqual([]);
    const broken = new Uint8Array(log.export(10));
    broken[broken.length - 20] = (broken[broken.length - 20] ?? 0) ^ 1;
    fleet.layIn('broken.ndjson', broken.subarray(0, -5));
    fleet.layIn('head.ndjson', log.export(7));
    receiver.reload();
    await fleet.untilReceipted(log, 60);
    await until('all files are dealt with', () => !existsSync(join(fleet.dataDir, 'import', 'head.ndjson')));
    expect(readdirSync(join(fleet.dataDir, 'import')).sort()).toEqual(['broken.ndjson.refused']);
    await until('the status follows', () => fleet.logStatus(log)?.gaps.length === 0);
  });

  test('two receivers never share a store', async () => {
    fleet.believe(newLog());
    await fleet.receive();
    expect(await failure(fleet.receive())).toBe('STORE_BUSY');
  });

  test('its key is made once, for its owner alone, and printed before it ever ran', async () => {
    fleet.believe(newLog());
    const [one, two] = await Promise.all([receiverVkey(fleet.settings()), receiverVkey(fleet.settings())]);
    expect(one).toBe(two);
    expect(one).toMatch(/^refunds\.example\/receipts\+[0-9a-f]{8}\+B/);
    await fleet.receive();
    expect(fleet.status().witness.vkey).toBe(one);
    const other = { witness: { name: 'somebody.else/receipts' } };
    expect(await failure(receiverVkey(fleet.settings(other)))).toBe('CONFIG_INVALID');
    expect(readFileSync(join(fleet.dataDir, 'keys', 'witness.key'), 'utf8')).toMatch(/^latchkey-witness-key v1\n/);
  });

  test.each(['no policy at all', 'a policy that names no log'])(
    'trust on first use needs no more than itself, with %s, and is loud',
    async (which) => {
      const log = newLog();
      const opened = { type: 'journal.opened', data: { version: '0.1.0', vkey: formatVkey(log.vkey) } };
      grow(log, 3, (n) => (n === 0 ? opened : {}));
      fleet.believe();
      const policy = which === 'no policy at all' ? { policy: undefined } : {};
      await fleet.receive(fleet.settings({ ...policy, trust_first_use: true }));
      await fleet.send(log, 'batch', log.batch(0));
      await fleet.untilReceipted(log, 3);
      expect(fleet.logger.text).toContain('trust on first use is on');
      await until('the status follows', () => fleet.status().alarms.length > 0);
      expect(fleet.status().alarms).toMatchObject([{ kind: 'trusted_at_first_use' }]);
    },
  );

  test('where no key can be made, it says so', async () => {
    const nowhere = { data_dir: '/proc/latchkey' };
    expect(await failure(receiverVkey(fleet.settings(nowhere)))).toBe('STORE_IO');
    fleet.believe(newLog());
    expect(await failure(fleet.receive(fleet.settings(nowhere)))).toBe('STORE_IO');
  });

  test('a policy that is not there, not sound or of nobody lets nothing start', async () => {
    expect(await failure(fleet.receive())).toBe('CONFIG_UNREADABLE');
    fleet.believe();
    expect(await failure(fleet.receive())).toBe('CONFIG_INVALID');
    writeFileSync(join(fleet.home, 'policy.json'), '{}');
    expect(await failure(fleet.receive())).toBe('CONFIG_INVALID');
    expect(existsSync(join(fleet.dataDir, 'lock'))).toBe(false);
  });
});

describe('receive.yaml', () => {
  const least = {
    data_dir: '/var/lib/latchkey-receive',
    policy: '/etc/latchkey/policy.json',
    mqtt: { url: 'mqtts://broker.example:8883' },
    witness: { name: 'refunds.example/receipts' },
  };

  test('has defaults for all but four settings', () => {
    const settings = receiveSettingsSchema.parse(least);
    expect(settings).toMatchObject({
      prefix: 'latchkey',
      partitions: 'all',
      trust_first_use: false,
      witness: { role: 'store' },
      limits: { parked_gateway_mib: 16, unknown_origins: 64 },
    });
  });

  test('is refused with all problems at once', () => {
    const bad = {
      ...least,
      data_dir: 'relative',
      policy: undefined,
      partitions: ['40'],
      witness: { name: 'two words' },
      accepted_gaps: [{ log: 'x', below: 0 }],
      surplus: 1,
    };
    const checked = receiveSettingsSchema.safeParse(bad);
    const paths = checked.error?.issues.map(({ path }) => path.join('.')) ?? [];
    expect(paths).toEqual(
      expect.arrayContaining(['data_dir', 'witness.name', 'accepted_gaps.0.log', 'accepted_gaps.0.below']),
    );
    expect(checked.error?.issues.length).toBeGreaterThanOrEqual(6);
    expect(receiveSettingsSchema.safeParse({ ...least, policy: undefined }).error?.issues[0]?.path).toEqual(['policy']);
    expect(receiveSettingsSchema.safeParse({ ...least, policy: undefined, trust_first_use: true }).success).toBe(true);
  });
});
