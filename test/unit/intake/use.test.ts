import { describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { batchPayload } from '../../../src/evidence/batch/batch.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { noteText } from '../../support/test-log.ts';
import { carriedFrom, grow, newLog } from './events.ts';
import { Harness, policyFor, statement } from './harness.ts';

/** The number that card schemes publish for tests (Visa). */
const CARD = '4111111111111111';

describe('acceptance and use are two questions', () => {
  test('an unknown type, an unknown version and a card number: receipts move, uses differ', async () => {
    const log = newLog();
    grow(log, 1);
    grow(log, 1, () => ({ type: 'drone.landed', data: { pad: 4 } }));
    log.append(utf8(canonicalJson({ v: 2, log: log.origin, n: 2, body: 'something new' })));
    grow(log, 1, () => ({ type: 'code.scanned', data: { text: CARD } }));
    log.append(utf8(canonicalJson({ v: 2, log: log.origin, n: 4, body: `paid with ${CARD}` })));
    grow(log, 1, () => ({ type: 'drone.landed', data: { pad: Number(CARD) } }));
    grow(log, 1);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0));
    expect(h.receipts(log)).toEqual([7]);
    const used = await h.used(log);
    expect(used.map(({ use }) => use.status)).toEqual([
      'used',
      'opaque',
      'opaque',
      'withheld',
      'withheld',
      'withheld',
      'used',
    ]);
    expect(used.map(({ leaf }) => leaf !== undefined)).toEqual([true, true, true, false, false, false, true]);
    expect(h.alarm('withheld')).toBe(3);
    expect(h.logger.text).toContain('withheld');
    expect(h.logger.text).not.toContain(CARD);
    // The tree needs the hash alone: what comes next is verified over it.
    grow(log, 2);
    await h.restart(policyFor(log));
    await h.batch(log, log.batch(7));
    expect(h.receipts(log).at(-1)).toBe(9);
  });

  test('a signed line that is no event, or stands at another place, refutes the batch', async () => {
    for (const bad of [
      (): Uint8Array => utf8('no json'),
      (origin: string) => utf8(`{"log":"${origin}","n":7,"v":1}`),
    ]) {
      const log = newLog();
      grow(log, 1);
      log.append(bad(log.origin));
      const h = await new Harness().open(policyFor(log));
      await h.batch(log, log.batch(0));
      expect(h.outcomes('leaf')).toBe(1);
      expect(h.alarm('refused_signed')).toBe(1);
      expect(h.receipts(log)).toEqual([]);
      await h.batch(log, log.batch(0, 1));
      expect(h.receipts(log)).toEqual([1]);
    }
  });

  test('an unknown header version or member under a valid signature is parked with an alarm', async () => {
    const log = grow(newLog(), 2);
    const head = { origin: log.origin, first: 0, count: 2, size: 2, note: noteText(log.note()) };
    const payload = Buffer.from(batchPayload(head, log.leaves)).toString();
    const versions = [payload.replace('"v":1}\n', '"v":2}\n'), payload.replace('"v":1}\n', '"v":1,"w":0}\n')];
    const h = await new Harness().open(policyFor(log));
    for (const text of versions) await h.batch(log, log.finish(utf8(text)));
    expect(h.outcomes('unreadable')).toBe(2);
    expect(h.alarm('unreadable_parked')).toBe(2);
    await h.batch(log, newLog('thief').finish(utf8(versions[0] ?? '')));
    expect(h.outcomes('kid')).toBe(1);
    for (let i = 0; i < 30; i += 1)
      await h.batch(log, log.finish(utf8(payload.replace('"v":1}\n', `"v":1,"w${i}":0}\n`))));
    expect(h.intake.gateways[0]?.parking.count(log.origin)).toBe(16);
    await h.batch(log, log.batch(0));
    expect(h.receipts(log)).toEqual([2]);
  });
});

describe('a fork', () => {
  test('is refused, both byte strings are kept once, and our branch goes on', async () => {
    const log = grow(newLog(), 4);
    const twin = grow(newLog(), 4);
    grow(log, 4);
    grow(twin, 4, () => ({ salt: 5 }));
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0, 6));
    for (const bytes of [twin.batch(4, 8), twin.batch(6, 8), twin.batch(0, 8), twin.batch(4, 8)])
      await h.batch(log, bytes);
    expect(h.outcomes('fork')).toBe(4);
    const forks = [...(h.disk.logs.get(log.origin)?.forks.values() ?? [])];
    expect(forks).toHaveLength(3);
    expect(Buffer.from(forks[0]?.theirs ?? [])).toEqual(Buffer.from(twin.batch(4, 8)));
    expect(Buffer.from(forks[0]?.ours ?? []).toString()).toContain(Buffer.from(log.leaves[4] ?? []).toString());
    await h.batch(log, log.batch(6, 8));
    expect(h.receipts(log)).toEqual([6, 8]);
    expect(new Set(h.disk.cosigned.map(({ cosigned }) => cosigned.size)).size).toBe(h.disk.cosigned.length);
  });

  test('is an alarm again after a restart, and none of a log without one', async () => {
    const [log, other] = [grow(newLog(), 4), grow(newLog('other', 'gw-0002'), 4)];
    const twin = grow(newLog(), 4, () => ({ salt: 5 }));
    const h = await new Harness().open(policyFor(log, other));
    await h.batch(log, log.batch(0));
    await h.batch(other, other.batch(0));
    await h.batch(log, twin.batch(0));
    await h.restart(policyFor(log, other));
    const forks = h.intake.alarms.list().filter(({ kind }) => kind === 'fork');
    expect(forks).toEqual([expect.objectContaining({ gateway: 'gw-0001', origin: log.origin, count: 1 })]);
  });

  test('its proof holds no card number', async () => {
    const log = grow(newLog(), 4);
    const twin = grow(newLog(), 2);
    grow(twin, 1, () => ({ type: 'code.scanned', data: { text: CARD } }));
    grow(twin, 1);
    expect(Buffer.from(twin.batch(0)).toString()).toContain(CARD);
    const h = await new Harness().open(policyFor(log));
    await h.batch(log, log.batch(0));
    await h.batch(log, twin.batch(2));
    const [fork] = [...(h.disk.logs.get(log.origin)?.forks.values() ?? [])];
    const theirs = Buffer.from(fork?.theirs ?? []).toString();
    expect(theirs).not.toContain(CARD);
    expect(theirs).toContain('"#":"withheld"');
    expect(theirs).toContain(Buffer.from(twin.leaves[3] ?? []).toString());
  });

  test('bytes without a signature over the entries prove none', async () => {
    const [a, b] = [grow(newLog('a'), 6), newLog('b', 'gw-0001', 2)];
    const twin = grow(newLog('a'), 6, () => ({ salt: 5 }));
    const h = await new Harness().open(policyFor(a));
    await h.enrolment('gw-0001', statement(a, b, 6));
    await h.batch(a, a.batch(0, 6));
    const honest = Buffer.from(a.batch(3, 6, { unsigned: true })).toString();
    await h.batch(a, utf8(honest.replace('"boot":1', '"boot":2')));
    expect(h.alarm('fork')).toBe(0);
    // A second signed note for one size does.
    await h.batch(a, twin.batch(3, 6, { unsigned: true }));
    expect(h.alarm('fork')).toBe(1);
  });
});

describe('carried entries', () => {
  const opened = (log: { origin: string }) => ({ version: '0.1.0', after: { log: log.origin, cause: 'breach' } });

  test('a duplicate only if we hold that leaf at its place; otherwise it is used', async () => {
    const [old, next] = [grow(newLog('old'), 6), newLog('next', 'gw-0001', 2)];
    grow(next, 1, () => ({ type: 'journal.opened', data: opened(old) }));
    grow(next, 3, (n) => ({ carried: carriedFrom(old, n + 2) }));
    grow(next, 1);
    const h = await new Harness().open(policyFor(old, next));
    await h.batch(old, old.batch(0, 4));
    await h.batch(next, next.batch(0));
    const uses = (await h.used(next)).map(({ use }) => use);
    expect(uses.map(({ status }) => status)).toEqual(['used', 'duplicate_of', 'used', 'used', 'used']);
    expect(uses[1]).toEqual({ status: 'duplicate_of', of: { origin: old.origin, n: 3 } });
    expect(h.alarm('carried_differs')).toBe(0);
  });

  test('an original that comes after it was used as carried is the duplicate, also after a restart', async () => {
    const [old, next] = [grow(newLog('old'), 6), newLog('next', 'gw-0001', 2)];
    grow(next, 1, () => ({ type: 'journal.opened', data: opened(old) }));
    grow(next, 2, (n) => ({ carried: carriedFrom(old, n + 2) }));
    const h = await new Harness().open(policyFor(old, next));
    await h.batch(next, next.batch(0));
    await h.restart(policyFor(old, next));
    await h.batch(old, old.batch(0));
    expect((await h.used(old)).map(({ use }) => use.status)).toEqual([
      'used',
      'used',
      'used',
      'duplicate_of',
      'duplicate_of',
      'used',
    ]);
  });

  test('another leaf at that place is a second, true event and an alarm', async () => {
    const old = grow(newLog('old'), 4);
    const twin = grow(newLog('old'), 4, () => ({ salt: 8 }));
    const next = newLog('next', 'gw-0001', 2);
    grow(next, 1, () => ({ type: 'journal.opened', data: opened(old) }));
    grow(next, 1, () => ({ carried: carriedFrom(twin, 2) }));
    const h = await new Harness().open(policyFor(old, next));
    await h.batch(old, old.batch(0));
    await h.batch(next, next.batch(0));
    expect((await h.used(next))[1]?.use.status).toBe('used');
    expect(h.alarm('carried_differs')).toBe(1);
  });

  test('the same leaf carried twice is used once, in one batch or in two logs', async () => {
    const [old, one, two] = [grow(newLog('old'), 4), newLog('one', 'gw-0001', 2), newLog('two', 'gw-0001', 3)];
    for (const log of [one, two]) {
      grow(log, 1, () => ({ type: 'journal.opened', data: opened(old) }));
      grow(log, 2, () => ({ carried: carriedFrom(old, 3) }));
    }
    const h = await new Harness().open(policyFor(old, one, two));
    await h.batch(one, one.batch(0));
    await h.batch(two, two.batch(0));
    const uses = [...(await h.used(one)), ...(await h.used(two))].map(({ use }) => use.status);
    expect(uses).toEqual(['used', 'used', 'duplicate_of', 'used', 'duplicate_of', 'duplicate_of']);
  });

  test('a place in another gateway proves nothing', async () => {
    const foreign = grow(newLog('foreign', 'gw-0002'), 3);
    const next = newLog('next', 'gw-0001', 2);
    grow(next, 1);
    grow(next, 1, () => ({ carried: carriedFrom(foreign, 1) }));
    const h = await new Harness().open(policyFor(foreign, next));
    await h.batch(foreign, foreign.batch(0));
    await h.batch(next, next.batch(0));
    expect((await h.used(next)).map(({ use }) => use.status)).toEqual(['used', 'used']);
  });

  test('more carried entries than the limit stop the line, loudly', async () => {
    const [old, next] = [grow(newLog('old'), 20), newLog('next', 'gw-0001', 2)];
    grow(next, 1);
    grow(next, 12, (n) => ({ carried: carriedFrom(old, n) }));
    const h = await new Harness().open(policyFor(old, next), { limits: { carriedMax: 10 } });
    await h.batch(next, next.batch(0));
    expect(h.outcomes('carried_full')).toBe(1);
    expect(h.alarm('carried_full')).toBe(1);
    expect(h.receipts(next)).toEqual([]);
    expect(base64url(next.leafHashes[0] ?? new Uint8Array())).toHaveLength(43);
  });
});
