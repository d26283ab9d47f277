/** Signed commands at a real gateway with simulated doors: what opens one, what does not, and what the log says of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { OWN_ENTRIES_A_MINUTE } from '../../../src/edge/commands/refusals.ts';
import type { Command } from '../../../src/evidence/wire/command.ts';
import { type Commander, DOOR_SETTINGS, DOORS, OpeningBench, RAW_DOOR, randomId } from '../../support/opening-bench.ts';
import { until } from '../../support/until.ts';

let bench: OpeningBench;
beforeAll(async () => {
  bench = await OpeningBench.make();
  await bench.start();
});
afterAll(() => bench.close());
beforeEach(async () => {
  for (const name of [...DOORS, RAW_DOOR]) bench.site.shut(name);
  await bench.untilShut(...DOORS);
});

const frames = (): number => bench.tap.channels.length;
const refused = (id: string) => bench.of('command.refused').filter(({ data }) => data['id'] === id);

test('a granted, signed open opens one door once, with its actor in every entry, and its reply names the entry', async () => {
  const before = frames();
  const command = bench.open('A2');
  const reply = await bench.ask(command);
  expect(reply).toMatchObject({ outcome: 'executed', result: 'opened', id: command.id, start: command.start });
  expect(bench.tap.channels.slice(before)).toEqual([2]);
  const mine = bench.entries().filter(({ data }) => data['id'] === command.id);
  expect(mine.map(({ type }) => type)).toEqual([
    'command.received',
    'unlock.intended',
    'unlock.ended',
    'command.executed',
  ]);
  for (const entry of mine) expect(entry.actor).toEqual({ kind: 'operator', ref: 'desk-7' });
  expect(mine[2]).toMatchObject({ compartment: 'A2', data: { result: 'opened', reply: 'accepted' } });
  expect(mine[3]).toMatchObject({ n: reply.entry.n, log: reply.entry.log, data: { result: 'opened' } });
  // Custody was told: the door is not forced, and the change was seen between the intent and its end.
  const opened = bench.of('door.opened').at(-1);
  expect(opened?.n).toBeGreaterThan(mine[1]?.n ?? Number.POSITIVE_INFINITY);
  expect(opened?.n).toBeLessThan(mine[2]?.n ?? 0);
  expect(bench.of('door.forced')).toEqual([]);
});

describe('opens nothing and is in the journal:', () => {
  async function opensNothing(command: Command, reason: string, by: Commander = bench.ops): Promise<void> {
    const before = frames();
    const reply = await bench.ask(command, by);
    expect(reply).toMatchObject({ outcome: 'refused', result: reason });
    expect(refused(command.id).map(({ data }) => data['reason'])).toContain(reason);
    expect(reply.entry.n).toBe(refused(command.id).at(-1)?.n);
    expect(frames()).toBe(before);
  }

  let beforeAllOfThem = 0;
  beforeAll(() => {
    beforeAllOfThem = frames();
  });
  // One that opens is through after them: nothing of those before was still on its way.
  afterAll(async () => {
    const opened = bench.of('unlock.intended').length;
    expect(await bench.ask(bench.open('A3'))).toMatchObject({ result: 'opened' });
    expect(bench.of('unlock.intended').length).toBe(opened + 1);
    expect(bench.tap.channels.slice(beforeAllOfThem)).toEqual([1, 1, 3]);
  });

  test('a replayed command; its first reply comes again', async () => {
    const command = bench.open('A1');
    const { bytes, hash } = bench.ops.sign(command);
    const first = await bench.ask(command);
    bench.site.shut('A1');
    await bench.untilShut('A1');
    const before = frames();
    const answers = (): number => bench.replies().filter((reply) => reply.command === hash).length;
    expect(answers()).toBe(1);
    await bench.publish(bytes);
    await until('it is answered again', () => answers() === 2);
    expect(bench.replies().filter((reply) => reply.command === hash)).toEqual([first, first]);
    expect(refused(command.id).map(({ data }) => data['reason'])).toEqual(['repeated']);
    expect(frames()).toBe(before);
  });

  test('another command under a used id', async () => {
    const { id } = await bench.ask(bench.open('A1'));
    bench.site.shut('A1');
    await opensNothing(bench.open('A2', { id }), 'repeated');
  });

  test('an expired one, by monotonic time', () => opensNothing(bench.open('A1', { until_up_ms: 1 }), 'expired'));

  test('one for another start, answered with the present log, start and time', async () => {
    const command = bench.open('A1', { start: base64url(new Uint8Array(16)), until_up_ms: 0 });
    await opensNothing(command, 'start');
    const reply = bench.replies().find(({ id }) => id === command.id);
    const { start, log } = bench.open('A1');
    expect(reply).toMatchObject({ start, log });
    expect(reply?.up_ms).toBeGreaterThan(0);
  });

  test('one for another gateway', () => {
    const log = bench.gateway.journal.origin().replace('gw-doors', 'gw-other');
    return opensNothing(bench.open('A1', { gateway: 'gw-other', log }), 'gateway');
  });

  test('one for another log', () => {
    const log = bench.gateway.journal.origin().replace(/[0-9a-f]{8}$/, '00000000');
    return opensNothing(bench.open('A1', { log }), 'log');
  });

  test('a verb that its key was not granted', () => opensNothing(bench.open('A1'), 'verb', bench.clerk));
  test('a verb that nobody knows', () => opensNothing(bench.command('open_all'), 'verb'));
  test('arguments of another shape', () => opensNothing(bench.command('open', { door: 'A1' }), 'args'));
  test('one that would be kept for long', () =>
    opensNothing(bench.open('A1', { until_up_ms: 9_000_000_000 }), 'too_far'));
  test('a compartment that is not there', () => opensNothing(bench.open('Z9'), 'unknown_compartment'));
  test('a door without commissioned polarity', () => opensNothing(bench.open(RAW_DOOR), 'not_commissioned'));
});

test('what no granted key signed is counted, one entry a minute, and not answered', async () => {
  const before = frames();
  const counted = () => bench.of('command.refused').filter(({ data }) => data['id'] === undefined);
  const replies = bench.replies().length;
  await bench.publish(bench.stranger.sign(bench.open('A1')).bytes);
  await until('it is counted', () => counted().length === 1);
  // The next ones of the minute wait for its end; one by the gateway's own key is through after them.
  const forged = bench.ops.sign(bench.open('A1')).bytes;
  const flipped = Buffer.from(forged)
    .toString()
    .replace(/"sig":"./, (head) => head.slice(0, -1) + (head.endsWith('A') ? 'B' : 'A'));
  for (const message of [utf8(flipped), utf8('open A1'), new Uint8Array(70_000), utf8('{}')])
    await bench.publish(message);
  await bench.publish(bench.stranger.sign(bench.open('A2')).bytes);
  expect(await bench.ask(bench.open('A3'))).toMatchObject({ result: 'opened' });
  expect(counted()).toHaveLength(1);
  expect(counted()[0]?.data).toEqual({ count: 1, reason: 'unknown_key' });
  expect(bench.replies()).toHaveLength(replies + 1);
  expect(bench.tap.channels.slice(before)).toEqual([3]);
});

test('a retained command is for another time', async () => {
  const before = frames();
  const command = bench.open('A1');
  await bench.publish(bench.ops.sign(command).bytes, true);
  // It reaches those who are there as any other; whoever comes later finds it retained.
  await until('it was carried out once', () =>
    bench.of('command.executed').some(({ data }) => data['id'] === command.id),
  );
  bench.site.shut('A1');
  await bench.untilShut('A1');
  await bench.broker.kill();
  await bench.broker.restart();
  await until('the uplink is live again', () => bench.gateway.uplink.health().phase === 'live');
  expect(await bench.ask(bench.open('A3'))).toMatchObject({ result: 'opened' });
  expect(bench.tap.channels.slice(before)).toEqual([1, 3]);
  expect(refused(command.id)).toEqual([]);
  await bench.publish(new Uint8Array(0), true);
});

test('the interlock holds: with two doors open the third stays shut', async () => {
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ result: 'opened' });
  expect(await bench.ask(bench.open('A2'))).toMatchObject({ result: 'opened' });
  const before = frames();
  expect(await bench.ask(bench.open('A3'))).toMatchObject({ outcome: 'refused', result: 'interlock' });
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ outcome: 'refused', result: 'already_open' });
  expect(frames()).toBe(before);
});

test('recount signs the state of every commissioned door', async () => {
  bench.site.open('A2');
  const isOpen = (name: string): boolean =>
    bench.gateway.custody.status().compartments.some((each) => each.name === name && each.door === 'open');
  await until('A2 is seen open', () => isOpen('A2'));
  const reply = await bench.ask(bench.command('recount'), bench.clerk);
  expect(reply).toMatchObject({ result: 'counted', data: { compartments: DOORS.length } });
  const counted = bench.of('compartment.counted').filter(({ data }) => data['reason'] === 'command');
  expect(counted.slice(-3).map(({ compartment, data }) => [compartment, data['door']])).toEqual([
    ['A1', 'shut'],
    ['A2', 'open'],
    ['A3', 'shut'],
  ]);
  expect(await bench.ask(bench.command('recount'))).toMatchObject({ outcome: 'refused', result: 'rate' });
});

test('a door that stays shut is unverified, and is not tried again', async () => {
  const stuck = await OpeningBench.make({ gateway: { doors: { ...DOOR_SETTINGS, seen_within_ms: 500 } } });
  try {
    await stuck.start();
    // The board hears the frame, and nobody ever sees its door open.
    const holding = setInterval(() => stuck.site.shut('A1'), 1);
    const reply = await stuck.ask(stuck.open('A1'));
    clearInterval(holding);
    expect(reply).toMatchObject({ outcome: 'executed', result: 'unverified', reason: 'not_seen' });
    expect(stuck.of('unlock.ended').map(({ data }) => data['result'])).toEqual(['unverified']);
    expect(stuck.tap.channels).toEqual([1]);
  } finally {
    await stuck.close();
  }
});

test('stop_pick survives a restart, and resume ends it', async () => {
  expect(await bench.ask(bench.command('stop_pick'))).toMatchObject({ result: 'stopped' });
  const before = frames();
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ outcome: 'refused', result: 'stopped' });
  const old = bench.open('A1', { id: randomId() });
  await bench.stop();
  await bench.start();
  expect(bench.gateway.opening.status().doors.stopped).toEqual({ by: 'operator desk-7', reason: 'asked' });
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ outcome: 'refused', result: 'stopped' });
  // A command of the start before is worth nothing in this one.
  expect(await bench.ask(old)).toMatchObject({ outcome: 'refused', result: 'start' });
  expect(await bench.ask(bench.command('resume'))).toMatchObject({ result: 'resumed' });
  expect(frames()).toBe(before);
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ result: 'opened' });
});

test('a flood of replays has a bounded number of entries', async () => {
  const command = bench.open('A1');
  const { bytes } = bench.ops.sign(command);
  await bench.ask(command);
  const before = bench.of('command.refused').length;
  for (let i = 0; i < 3 * OWN_ENTRIES_A_MINUTE; i += 1) await bench.publish(bytes);
  await bench.ask(bench.open('A3'));
  expect(bench.of('command.refused').length - before).toBeLessThanOrEqual(OWN_ENTRIES_A_MINUTE + 1);
  expect(bench.tap.channels.filter((channel) => channel === 1).length).toBeLessThan(10);
});

test('a door whose walk contradicts its settings is opened for whoever works there alone, and nothing is concluded of it', async () => {
  const walked = { device: 'board-1', channel: 3, polarity: 'closed_is_0', at: '2026-11-22T09:00:00.000Z' };
  bench.gateway.journal.saveState('commissioned', JSON.stringify({ v: 1, compartments: { A3: walked } }));
  await bench.stop();
  await bench.start(['A1', 'A2']);
  const { custody } = bench.gateway;
  const door = () => custody.status().compartments.find(({ name }) => name === 'A3');
  expect(door()).toMatchObject({ door: 'unknown', distrusted: true });
  expect(bench.of('exception.reported')).toMatchObject([
    { compartment: 'A3', data: { what: 'polarity_contradicted' } },
  ]);
  const before = frames();
  expect(await bench.ask(bench.open('A3'))).toMatchObject({ outcome: 'refused', result: 'polarity_contradicted' });
  expect(await bench.ask(bench.open('A1'))).toMatchObject({ result: 'opened' });
  const technician = { kind: 'technician', ref: 't-1' } as const;
  const end = { livesMs: 600_000, untilMs: undefined };
  const window = { id: randomId(), actor: technician, compartments: ['A3'], reason: undefined, ticket: undefined, end };
  expect(custody.visits.openWindow(window).ok).toBe(true);
  const courier = bench.command('open', { compartment: 'A3' }, { by: { kind: 'courier', ref: 'c-1' } });
  expect(await bench.ask(courier)).toMatchObject({ outcome: 'refused', result: 'polarity_contradicted' });
  const working = bench.command('open', { compartment: 'A3' }, { by: technician });
  expect(await bench.ask(working)).toMatchObject({ result: 'unverified', reason: 'polarity_contradicted' });
  expect(bench.tap.channels.slice(before)).toEqual([1, 3]);
  // A board that reports the door of A1 open again has reported A3 since.
  bench.site.shut('A1');
  await bench.untilShut('A1');
  const begun = bench.of('exception.reported')[0]?.n ?? Number.POSITIVE_INFINITY;
  const doors = bench.entries().filter(({ n, type }) => n > begun && type.startsWith('door.'));
  expect(doors.map(({ compartment, type }) => [compartment, type])).toEqual([
    ['A1', 'door.opened'],
    ['A1', 'door.closed'],
  ]);
  expect(door()).toMatchObject({ door: 'unknown', distrusted: true });
});
