import { describe, expect, test } from 'vitest';
import { intakeStatus } from '../../../src/risk/intake/status.ts';
import { NO_POLICY } from '../../../src/risk/intake/trust.ts';
import { carriedFrom, grow, newLog } from './events.ts';
import { Harness, policyFor, statement, vkeyText } from './harness.ts';

describe('which logs are believed', () => {
  test('a log that nobody names is parked, and taken when the policy names it', async () => {
    const [known, stranger] = [grow(newLog('known', 'gw-0001', 1), 2), grow(newLog('new', 'gw-0001', 2), 9)];
    const h = await new Harness().open(policyFor(known));
    await h.batch(stranger, stranger.batch(3, 6));
    await h.batch(stranger, stranger.batch(0, 3));
    expect(await h.used(stranger)).toEqual([]);
    expect(h.outcomes('unknown_origin')).toBe(2);
    expect(intakeStatus(h.intake).gateways[0]?.unknown_origins).toEqual([stranger.origin]);
    h.intake.setPolicy(policyFor(known, stranger));
    await h.settle();
    expect(h.receipts(stranger).at(-1)).toBe(6);
    expect(intakeStatus(h.intake).gateways[0]).toMatchObject({ unknown_origins: [], parked_bytes: 0 });
  });

  test('a batch on the topic of one gateway that names a log of another is refused', async () => {
    const [one, other] = [grow(newLog(), 2), grow(newLog('other', 'gw-0002'), 2)];
    const h = await new Harness().open(policyFor(one, other));
    await h.send('gw-0001', 'batch', other.batch(0));
    expect(h.outcomes('foreign_origin')).toBe(1);
    expect(h.alarm('foreign_origin')).toBe(1);
    expect(await h.used(other)).toEqual([]);
  });

  test('64 unknown origins are parked and no more, and a stranger costs nobody else his place', async () => {
    const log = grow(newLog(), 2);
    const h = await new Harness().open(policyFor(log));
    for (let i = 0; i < 70; i += 1) {
      const stranger = grow(newLog(`stranger ${i}`, 'gw-0001', i + 2), 1);
      await h.send('gw-0001', 'batch', stranger.batch(0));
    }
    expect(h.outcomes('unknown_origin')).toBe(64);
    expect(h.outcomes('parking_full')).toBe(6);
    await h.batch(log, log.batch(0));
    expect(h.receipts(log)).toEqual([2]);
  });

  async function strangers(h: Harness, count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const stranger = grow(newLog(`stranger ${i}`, `gw-${i}`), 1);
      await h.send(`gw-${i}`, 'batch', stranger.batch(0));
    }
  }

  test('gateways that nobody knows are bounded', async () => {
    const h = await new Harness().open(NO_POLICY, { limits: { strangersMax: 5 } });
    await strangers(h, 12);
    expect(h.intake.gateways).toHaveLength(5);
    expect(h.alarm('gateways_full')).toBe(7);
    expect(h.outcomes('unknown_origin')).toBe(5);
    expect(h.logger.text).toContain('gateways_full');
  });

  test('parked bytes of all gateways together are bounded, and whoever parks nothing is forgotten', async () => {
    const h = await new Harness().open(NO_POLICY, { limits: { strangersMax: 5, totalBytesMax: 8_000 } });
    await strangers(h, 12);
    expect(h.outcomes('unknown_origin')).toBe(4);
    expect(h.outcomes('parking_full')).toBe(8);
    expect(h.intake.gateways.map(({ parking }) => parking.bytes).reduce((a, b) => a + b)).toBeLessThanOrEqual(8_000);
  });

  test('status, checkpoint and enrolment of a gateway that nobody knows leave no trace', async () => {
    const h = await new Harness().open(NO_POLICY);
    await h.online('gw-0009');
    await h.enrolment('gw-0009', statement(newLog('a', 'gw-0009'), newLog('b', 'gw-0009', 2)));
    expect(h.intake.gateways).toEqual([]);
  });

  test('a key that the policy revokes counts up to the named tree and no further', async () => {
    const log = grow(newLog(), 9);
    const { size, root } = log.checkpoint(5);
    const policy = { logs: new Map([[log.origin, { vkey: log.vkey, revokedAt: { size, root } }]]), successors: [] };
    const h = await new Harness().open(policy);
    await h.batch(log, log.batch(0, 5));
    await h.batch(log, log.batch(5, 9));
    expect(h.receipts(log)).toEqual([5]);
    expect(h.outcomes('revoked')).toBe(1);
  });
});

describe('trust on first use', () => {
  const first = (log: ReturnType<typeof newLog>) => (n: number) =>
    n === 0 ? { type: 'journal.opened', data: { version: '0.1.0', vkey: vkeyText(log) } } : {};

  test('is off: the log waits for the policy', async () => {
    const log = newLog();
    grow(log, 3, first(log));
    const h = await new Harness().open(NO_POLICY);
    await h.batch(log, log.batch(0));
    expect(await h.used(log)).toEqual([]);
    expect(h.logger.text).not.toContain('first use');
  });

  test('when on, warns at the start and for each log, keeps the key, and believes no second one', async () => {
    const log = newLog();
    grow(log, 3, first(log));
    const second = newLog('second', 'gw-0001', 2);
    grow(second, 3, first(second));
    const h = await new Harness().open(NO_POLICY, { trustFirstUse: true });
    expect(h.logger.text).toContain('trust on first use is on');
    await h.batch(log, log.batch(0));
    expect(h.receipts(log)).toEqual([3]);
    expect(h.logger.text).toContain('trusting a log key because it came first');
    expect(h.alarm('trusted_at_first_use')).toBe(1);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ trusted_by: 'first_use' });
    await h.batch(second, second.batch(0));
    await h.restart(NO_POLICY, { trustFirstUse: true });
    await h.batch(second, second.batch(0));
    expect(await h.used(second)).toEqual([]);
    grow(log, 1);
    await h.batch(log, log.batch(3));
    expect(h.receipts(log).at(-1)).toBe(4);
    await h.restart(NO_POLICY);
    expect(h.intake.gateways[0]?.trust.logs.size).toBe(0);
  });

  test('a first batch whose signature fails makes nobody believed, and the true one still can', async () => {
    const log = newLog();
    grow(log, 3, first(log));
    const h = await new Harness().open(NO_POLICY, { trustFirstUse: true });
    const forged = Uint8Array.from(log.batch(0));
    const at = Buffer.from(forged).lastIndexOf('"channel":') + '"channel":'.length;
    forged[at] = (forged[at] ?? 0) ^ 1;
    await h.send('gw-0001', 'batch', forged);
    expect(h.alarm('trusted_at_first_use')).toBe(0);
    expect(h.intake.gateways[0]?.trust.logs.size ?? 0).toBe(0);
    await h.batch(log, log.batch(0));
    expect(h.receipts(log)).toEqual([3]);
  });

  test('a log whose beginning went to another consumer is asked for it, ever more seldom, and then taken whole', async () => {
    const log = newLog();
    grow(log, 9, first(log));
    const h = await new Harness().open(NO_POLICY, { trustFirstUse: true });
    await h.batch(log, log.batch(6, 9));
    await h.batch(log, log.batch(3, 6));
    expect(h.requests()).toEqual([]);
    await h.advance(1_000);
    expect(h.requests()).toEqual([{ first: 0, log: log.origin, v: 1 }]);
    await h.advance(29_000);
    expect(h.requests()).toHaveLength(2);
    await h.batch(log, log.batch(0, 3));
    expect(h.receipts(log).at(-1)).toBe(9);
    expect(intakeStatus(h.intake).gateways[0]).toMatchObject({ unknown_origins: [], parked_bytes: 0 });
    await h.advance(60_000);
    expect(h.requests()).toHaveLength(2);
  });

  test('nobody is asked for the beginning of a log that only a policy can name', async () => {
    const log = newLog();
    grow(log, 6, first(log));
    const h = await new Harness().open(NO_POLICY);
    await h.batch(log, log.batch(3, 6));
    await h.advance(30_000);
    expect(h.requests()).toEqual([]);
  });

  test('a key that is not that of the origin is not believed', async () => {
    const [log, thief] = [newLog(), newLog('thief')];
    grow(log, 2, first(thief));
    const h = await new Harness().open(NO_POLICY, { trustFirstUse: true });
    await h.batch(log, log.batch(0));
    expect(await h.used(log)).toEqual([]);
  });
});

describe('successors', () => {
  const [a, b, c] = [newLog('a', 'gw-0001', 1), newLog('b', 'gw-0001', 2), newLog('c', 'gw-0001', 3)] as const;
  grow(a, 6);
  grow(b, 4, () => ({ salt: 2 }));
  grow(c, 4, () => ({ salt: 3 }));

  test('the key of a believed log vouches for the next, in a chain, and is remembered', async () => {
    const h = await new Harness().open(policyFor(a));
    await h.batch(a, a.batch(0));
    await h.batch(b, b.batch(0));
    await h.batch(c, c.batch(0));
    expect(await h.used(c)).toEqual([]);
    await h.enrolment('gw-0001', statement(a, b, 6), statement(b, c, 4));
    expect(h.receipts(b)).toEqual([4]);
    expect(h.receipts(c)).toEqual([4]);
    await h.restart(policyFor(a));
    grow(c, 1);
    await h.batch(c, c.batch(4));
    expect(h.receipts(c).at(-1)).toBe(5);
    expect(
      intakeStatus(h.intake).gateways[0]?.logs.map(({ origin, trusted_by, closed }) => [origin, trusted_by, closed]),
    ).toEqual([
      [a.origin, 'policy', true],
      [b.origin, 'successor', true],
      [c.origin, 'successor', false],
    ]);
  });

  test('nobody but the old key vouches', async () => {
    const thief = newLog('thief', 'gw-0001', 1);
    const stolen = { ...statement(thief, b, 6), payload: statement(a, b, 6).payload };
    const h = await new Harness().open(policyFor(a));
    await h.enrolment('gw-0001', stolen);
    await h.batch(b, b.batch(0));
    expect(await h.used(b)).toEqual([]);
    expect(h.alarm('successor_refused')).toBe(1);
    await h.send('gw-0001', 'enrolment', Buffer.from('{"v":1}'));
    expect(h.metrics.value('intake_messages_refused', { kind: 'enrolment' })).toBe(1);
  });

  test('a second successor raises an alarm, and neither branch goes on', async () => {
    const h = await new Harness().open(policyFor(a));
    await h.enrolment('gw-0001', statement(a, b, 6));
    await h.batch(b, b.batch(0, 2));
    await h.enrolment('gw-0001', statement(a, c, 6));
    await h.enrolment('gw-0001', statement(a, b, 6), statement(a, c, 6));
    await h.batch(b, b.batch(2));
    await h.batch(c, c.batch(0));
    await h.batch(a, a.batch(0));
    expect(h.alarm('second_successor')).toBe(3); // the log and both branches
    expect(h.outcomes('frozen')).toBe(3);
    expect(h.receipts(b)).toEqual([2]);
    await h.restart(policyFor(a));
    await h.batch(b, b.batch(2));
    expect(h.outcomes('frozen')).toBe(4);
    // A person who looked names the branch that is true.
    await h.restart(policyFor(a, b));
    await h.batch(b, b.batch(2));
    expect(h.receipts(b).at(-1)).toBe(4);
  });

  test('entries of the old log above the size at which it was handed over freeze both branches', async () => {
    const h = await new Harness().open(policyFor(a));
    await h.enrolment('gw-0001', statement(a, b, 4));
    await h.batch(a, a.batch(0, 4));
    await h.batch(b, b.batch(0, 2));
    await h.batch(a, a.batch(4));
    expect(h.alarm('grew_after_successor')).toBe(2); // the log and its successor
    await h.restart(policyFor(a));
    await h.batch(b, b.batch(2));
    expect(h.receipts(a).at(-1)).toBe(4);
    expect(h.receipts(b).at(-1)).toBe(2);
    expect(h.outcomes('frozen')).toBe(2);
  });

  test('a statement that comes after the old log grew beyond it, or names another tree, freezes as well', async () => {
    for (const end of [4, 6]) {
      const twin = grow(newLog('a', 'gw-0001', 1), 6, () => ({ salt: 7 }));
      const h = await new Harness().open(policyFor(a));
      await h.batch(a, a.batch(0));
      await h.enrolment('gw-0001', end === 4 ? statement(a, b, 4) : statement(twin, b, 6));
      await h.batch(b, b.batch(0));
      expect(h.alarm('grew_after_successor')).toBe(2); // the log and its successor
      expect(await h.used(b)).toEqual([]);
    }
  });

  test('a batch without a signature counts only for a log that its successor closed', async () => {
    const h = await new Harness().open(policyFor(a));
    await h.batch(a, a.batch(0, 3));
    await h.batch(a, a.batch(3, 6, { unsigned: true }));
    expect(h.outcomes('unsigned')).toBe(1);
    await h.enrolment('gw-0001', statement(a, b, 6));
    await h.batch(a, a.batch(3, 6, { unsigned: true }));
    expect(h.receipts(a).at(-1)).toBe(6);
  });

  test('entry 0 of a believed log closes its predecessor too, also after a restart', async () => {
    const next = newLog('next', 'gw-0001', 2);
    const after = { log: a.origin, cause: 'key_lost', size: 5 };
    grow(next, 2, (n) => (n === 0 ? { type: 'journal.opened', data: { version: '0.1.0', after } } : {}));
    const h = await new Harness().open(policyFor(a, next));
    await h.batch(next, next.batch(0));
    await h.restart(policyFor(a, next));
    await h.batch(a, a.batch(0, 5, { unsigned: true }));
    expect(h.receipts(a)).toEqual([5]);
    await h.batch(a, a.batch(5, 6));
    expect(h.alarm('grew_after_close')).toBe(1);
  });

  test('nothing else closes a log: not another type with the same members, nor an entry 0 that may not be used', async () => {
    const after = { log: a.origin, cause: 'key_lost', size: 5 };
    const posing = [
      { type: 'drone.landed', data: { version: '0.1.0', after } },
      { type: 'door.opened', data: { channel: 1, after } },
      { type: 'journal.opened', data: { version: 'paid 4111 1111 1111 1111', after } },
    ];
    for (const [i, shape] of posing.entries()) {
      const next = grow(newLog(`posing ${i}`, 'gw-0001', 2), 2, (n) => (n === 0 ? shape : {}));
      const h = await new Harness().open(policyFor(a, next));
      await h.batch(next, next.batch(0));
      expect(h.receipts(next)).toEqual([2]);
      await h.batch(a, a.batch(0, 5, { unsigned: true }));
      expect(h.receipts(a), shape.type).toEqual([]);
    }
  });

  test('entry 0 of a log that never arrived closes its predecessor where it was carried on', async () => {
    const after = { log: a.origin, cause: 'key_lost', size: 5 };
    const opened = { type: 'journal.opened', data: { version: '0.1.0', after } };
    const gone = grow(newLog('gone', 'gw-0001', 2), 2, (n) => (n === 0 ? opened : {}));
    const carrying = (n: number) =>
      n === 1 ? { ...opened, carried: carriedFrom(gone, 0) } : n === 2 ? { carried: carriedFrom(gone, 1) } : {};
    const third = grow(newLog('third', 'gw-0001', 3), 3, carrying);
    // What stands in the middle and was not carried is no entry 0.
    const posing = grow(newLog('posing', 'gw-0001', 4), 3, (n) => (n === 1 ? opened : {}));
    const h = await new Harness().open(policyFor(a, third, posing));
    await h.batch(posing, posing.batch(0));
    await h.batch(a, a.batch(0, 5, { unsigned: true }));
    expect(h.receipts(a)).toEqual([]);
    await h.batch(third, third.batch(0));
    await h.batch(third, third.batch(0));
    await h.restart(policyFor(a, third, posing));
    await h.batch(a, a.batch(0, 5, { unsigned: true }));
    expect(h.receipts(a)).toEqual([5]);
    // A log that is believed no more closes nothing.
    const other = await new Harness().open(policyFor(a));
    await other.batch(third, third.batch(0));
    await other.batch(a, a.batch(0, 5, { unsigned: true }));
    expect(other.receipts(a)).toEqual([]);
  });
});
