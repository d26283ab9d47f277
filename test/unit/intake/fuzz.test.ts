/** Whatever arrives on the topics of a gateway: no throw, bounded memory, and only true entries in the store. */
import { expect, test } from 'vitest';
import { base64 } from '../../../src/base/bytes.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { formatEnrolment, formatStatus } from '../../../src/evidence/wire/messages.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor, statement } from './harness.ts';

const ROUNDS = 6_000;

test(`${ROUNDS} mutated messages of all kinds change nothing that is true`, async () => {
  const [log, next, stranger] = [newLog(), newLog('next', 'gw-0001', 2), newLog('stranger', 'gw-0001', 3)];
  grow(log, 60);
  grow(next, 20);
  grow(stranger, 5);
  const root = 'latchkey/v1/0e/gw-0001';
  const seeds: readonly (readonly [string, Uint8Array])[] = [
    ['batch', log.batch(0, 5)],
    ['batch', log.batch(5, 20)],
    ['batch', log.batch(30, 40, { left: true })],
    ['batch', log.batch(20, 30)],
    ['batch', next.batch(0, 10)],
    ['batch', stranger.batch(0)],
    ['batch', log.batch(50, 60, { unsigned: true })],
    [`checkpoint/${log.origin.split('/')[2]}`, formatNote(log.note(40))],
    ['enrolment', formatEnrolment({ successors: [statement(log, next, 60)] })],
    ['status', formatStatus({ boot: 1, state: 'online' })],
  ];
  const others = seeds.map(([, payload]) => payload);
  const limits = { gatewayBytesMax: 200_000, totalBytesMax: 300_000 };
  const h = await new Harness().open(policyFor(log), { limits });
  const random = new Random(42);
  let mutated = 0;
  for (let i = 0; i < ROUNDS; i += 1) {
    const [name, payload] = seeds[random.below(seeds.length)] ?? ['batch', new Uint8Array()];
    const isMutated = random.below(20) > 0;
    if (isMutated) mutated += 1;
    const bytes = isMutated ? mutate(random, payload, others) : new Uint8Array(payload);
    const topic = random.below(30) === 0 ? mutate(random, Buffer.from(`${root}/${name}`), others) : `${root}/${name}`;
    await h.intake.message(typeof topic === 'string' ? topic : Buffer.from(topic).toString(), bytes);
    if (i % 50 === 0) await h.intake.settled();
    if (i % 200 === 0) h.scheduler.advance(5_000);
  }
  await h.settle();
  expect(mutated).toBeGreaterThan(ROUNDS / 2);
  expect(h.intake.waitingBytes).toBe(0);
  expect(h.intake.gateways[0]?.parking.bytes).toBeLessThanOrEqual(200_000);
  for (const each of [log, next]) {
    const entries = await h.used(each);
    expect(entries.length).toBeGreaterThan(0);
    for (const { n, leafHash } of entries)
      expect(base64(leafHash)).toBe(base64(each.leafHashes[n] ?? new Uint8Array()));
    expect(new Set(entries.map(({ n }) => n)).size).toBe(entries.length);
  }
  expect(h.receipts(log).at(-1)).toBe(40);
  // Nothing that a stranger can make raises the alarms that speak of the key's owner.
  expect(h.alarm('refused_signed') + h.alarm('fork') + h.alarm('second_successor')).toBe(0);
  const reached = [
    'accepted',
    'known',
    'ahead',
    'unknown_origin',
    'signature',
    'kid',
    'framing',
    'signature_line',
    'no_origin',
  ];
  expect(reached.filter((outcome) => h.outcomes(outcome) === 0)).toEqual([]);
});
