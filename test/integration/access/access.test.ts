/** Codes at a real gateway: granted by signed commands, typed at a simulated keypad, and doors that open for them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Site } from '../../../simulators/site.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { AccessBench, RECIPIENT } from '../../support/access-bench.ts';
import { DOORS, randomId } from '../../support/opening-bench.ts';
import { secretsBelow, secretsIn } from '../../support/secret-search.ts';
import { until } from '../../support/until.ts';

const CODE = '9015162342108927';
const BADGE = 'courier-badge-7731-5a5a';
const COURIER = { kind: 'courier', ref: 'c-7' };

let bench: AccessBench;
let hands: Site;

beforeAll(async () => {
  bench = await AccessBench.withHands();
  if (bench.hands !== undefined) hands = bench.hands;
  await bench.start();
  await until('keypad and scanner are there', () =>
    bench.gateway.lines.every((line) => line.status().devices.every(({ state }) => state === 'found')),
  );
});
afterAll(async () => {
  await bench.close();
});

async function shut(...names: readonly string[]): Promise<void> {
  for (const name of names) bench.site.shut(name);
  await bench.untilShut(...names);
}

const isAtA2 = ({ compartment }: CustodyEvent): boolean => compartment === 'A2';

test('a code that was granted opens its door, once: the episode carries access, actor and the assigned parcel', async () => {
  expect(await bench.assign('A1', 'parcel-1', 'collect', 'recipient')).toMatchObject({ result: 'assigned' });
  const { reply, credential } = await bench.grant(CODE);
  expect(reply).toMatchObject({ outcome: 'executed', result: 'granted' });
  hands.type('pad', CODE);
  const granted = await bench.untilSaid('access.granted');
  expect(granted).toMatchObject({
    compartment: 'A1',
    device: 'pad',
    actor: RECIPIENT,
    data: { method: 'code_keypad', credential, attempts: 1 },
  });
  const ended = await bench.untilSaid('unlock.ended');
  expect(ended).toMatchObject({ compartment: 'A1', actor: RECIPIENT, data: { result: 'opened' } });
  const intended = bench.of('unlock.intended').at(-1);
  expect(intended).toMatchObject({ data: { cause: 'access', method: 'code_keypad' } });
  expect(granted.n).toBeLessThan(intended?.n ?? 0);
  expect(bench.tap.channels).toEqual([1]);
  await until('the keypad shows it', () => hands.told('pad').includes('G'));
  await shut('A1');
  const episode = await bench.untilSaid('parcel.collected');
  expect(episode).toMatchObject({
    compartment: 'A1',
    actor: RECIPIENT,
    parcel: { ref: 'parcel-1' },
    data: { access: { method: 'code_keypad' }, assigned: { kind: 'collect' } },
  });
  expect(bench.of('door.forced')).toEqual([]);
  hands.type('pad', CODE);
  expect(await bench.untilSaid('access.refused')).toMatchObject({ data: { reason: 'used', credential } });
  expect(bench.tap.channels).toEqual([1]);
});

test('a courier scans a credential and then parcels: each opens the compartment that it is assigned to', async () => {
  await bench.assign('A2', 'LABEL-22222', 'deposit', 'courier');
  await bench.assign('A3', 'LABEL-33333', 'deposit', 'courier');
  const { reply, credential } = await bench.grant(BADGE, { actor: COURIER, uses: 0, compartments: ['A2', 'A3'] });
  expect(reply).toMatchObject({ result: 'granted' });
  const scan = (text: string): void => hands.scan('desk', { aim: ']Q1', text });
  scan(`LK:${BADGE}`);
  expect(await bench.untilSaid('access.granted')).toMatchObject({ device: 'desk', data: { credential } });
  scan('LABEL-33333');
  expect(await bench.untilSaid('access.granted')).toMatchObject({ compartment: 'A3', actor: COURIER });
  await bench.untilSaid('unlock.ended');
  await shut('A3');
  expect(await bench.untilSaid('parcel.deposited')).toMatchObject({
    compartment: 'A3',
    actor: COURIER,
    parcel: { ref: 'LABEL-33333' },
  });
  const revoked = await bench.ask(bench.command('revoke', { credential }));
  expect(revoked).toMatchObject({ result: 'revoked' });
  const before = bench.tap.channels.length;
  scan('LABEL-22222');
  expect(await bench.untilSaid('access.refused')).toMatchObject({ data: { reason: 'revoked' } });
  expect(bench.tap.channels).toHaveLength(before);
});

test('a controlled door that is pulled open is forced; inside a maintenance window it is the technician’s', async () => {
  bench.site.open('A2');
  expect(await bench.untilSaid('door.forced')).toMatchObject({
    compartment: 'A2',
    data: { reason: 'opened_without_access' },
  });
  await shut('A2');
  const actor = { kind: 'technician', ref: 't-1' };
  const window = randomId();
  await bench.ask(bench.command('maintain', { actor, compartments: ['A2'], lives_s: 600, ticket: 'T-1', window }));
  expect(await bench.untilSaid('maintenance.opened')).toMatchObject({ actor, data: { window } });
  // The label that the courier scanned for it was refused: nothing was put in by it.
  const ended = () => bench.of('compartment.disturbed').filter(isAtA2);
  const episodes = ended().length;
  bench.site.open('A2');
  await until('it is seen open', () =>
    bench.gateway.custody.status().compartments.some(({ door, name }) => name === 'A2' && door === 'open'),
  );
  await shut('A2');
  await until('the episode closed', () => ended().length > episodes);
  expect(ended()).toContainEqual(
    expect.objectContaining({
      actor,
      data: expect.objectContaining({ access: expect.objectContaining({ method: 'maintenance' }) }),
    }),
  );
  expect(ended().at(-1)).not.toHaveProperty('parcel');
  expect(bench.of('parcel.deposited').filter(isAtA2)).toEqual([]);
  expect(bench.of('code.scanned')).toContainEqual(
    expect.objectContaining({ parcel: expect.objectContaining({ ref: 'LABEL-22222' }) }),
  );
  expect(bench.of('door.forced')).toHaveLength(1);
  await bench.ask(bench.command('maintain', { end: 'now', window }));
  await bench.untilSaid('maintenance.closed');
});

describe('after a restart', () => {
  test('credentials, assignments and windows are as they were', async () => {
    await bench.grant('90210000');
    await bench.assign('A1', 'parcel-9', 'collect', 'recipient');
    await bench.stop();
    await bench.start();
    await until('the keypad is there', () =>
      bench.gateway.lines.every((line) => line.status().devices.every(({ state }) => state === 'found')),
    );
    bench.seen.clear();
    for (const type of ['access.granted', 'unlock.ended', 'parcel.collected', 'access.refused'])
      bench.seen.set(type, bench.of(type).length);
    hands.type('pad', CODE);
    expect(await bench.untilSaid('access.refused')).toMatchObject({ data: { reason: 'used' } });
    hands.type('pad', '90210000');
    await bench.untilSaid('access.granted');
    await bench.untilSaid('unlock.ended');
    await shut('A1');
    expect(await bench.untilSaid('parcel.collected')).toMatchObject({ parcel: { ref: 'parcel-9' } });
  });
});

test('no code is anywhere in the data directory, nor in the status, in any spelling: the search finds each one planted', async () => {
  const secrets = { code: utf8(CODE), badge: utf8(BADGE) };
  const data = bench.dir.file('data');
  const planted = bench.dir.file('planted');
  mkdirSync(planted);
  for (const [name, secret] of Object.entries(secrets)) {
    for (const encoding of ['latin1', 'hex', 'base64', 'base64url'] as const) {
      writeFileSync(`${planted}/file`, `x${Buffer.from(secret).toString(encoding)}y`);
      expect(secretsBelow(planted, secrets)).toEqual([`${planted}/file: ${name}`]);
    }
  }
  rmSync(planted, { recursive: true });
  expect(secretsBelow(data, secrets)).toEqual([]);
  expect(bench.sent.length).toBeGreaterThan(2);
  expect(bench.sent.flatMap((bytes) => secretsIn(bytes, secrets))).toEqual([]);
  const shown = JSON.stringify([bench.gateway.access?.status(), bench.gateway.custody.status(), bench.entries()]);
  expect(shown).not.toContain(CODE);
  expect(shown).not.toContain(BADGE);
  expect(bench.gateway.access?.status()).toMatchObject({ live: 0, devices: [{ name: 'pad' }, { name: 'desk' }] });
  expect(DOORS).toHaveLength(3);
});
