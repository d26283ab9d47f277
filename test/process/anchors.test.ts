/** The daemon with a TPM: anchors appear, hold together over cuts, and name what was rolled back. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { Sign } from '../../src/edge/tpm/commands/attest.ts';
import { Create, Load } from '../../src/edge/tpm/commands/object.ts';
import { Secret } from '../../src/edge/tpm/secret.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { TPMA_OBJECT } from '../../src/tpm2/algorithms.ts';
import { signerTemplate } from '../../src/tpm2/templates.ts';
import { testBox, testClient } from '../support/tpm-box.ts';
import { CUT_POINTS, CutChain, counterFaults } from './support/tpm-cuts.ts';
import { anchored, makeTpmRig, type TpmRig, verdictOf } from './support/tpm-rig.ts';

let box: TpmRig;

/** What entry 0 says of the counter. */
function counterOf(opened: CustodyEvent | undefined): { readonly expected?: number; readonly found: number } {
  const counter = opened?.data['counter'];
  if (counter === undefined) throw new Error('entry 0 says nothing of the counter');
  return counter as unknown as { readonly expected?: number; readonly found: number };
}

beforeAll(async () => {
  box = await makeTpmRig({ board: true });
});
afterAll(() => box.close());

test('anchors appear by themselves, and a verifier with AK and counter in its policy says what they cover', async () => {
  const { rig } = box;
  const first = await anchored(rig, 0);
  rig.visit('a1');
  rig.feed.scan(3);
  const counter = await anchored(rig, first + 1);
  await rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  expect(log.level).toBe('A2');
  expect(log.anchors).toMatchObject({ refused: [], continuity: [] });
  expect(log.anchors.newest?.counter).toBeGreaterThanOrEqual(counter);
  expect(log.anchors.verified).toBe(log.anchors.found);
  expect(log.tail).toBe(log.end - (log.anchors.size ?? 0));
  const [opened] = events;
  expect(opened?.data['counter']).toEqual({ found: expect.any(Number) });
  const started = events.find(({ type }) => type === 'gateway.started');
  expect(started?.data).toMatchObject({ tpm_resets: expect.any(Number), tpm_restarts: expect.any(Number) });
  const attested = events.filter(({ type }) => type === 'key.attested').map(({ data }) => data['kind']);
  expect(attested).toEqual(['time', 'quote']);
  // Whoever copies the state of an emulated TPM has the same one.
  expect((await verdictOf(box, 'emulated')).log.level).toBe('A0');
});

test('power that goes after each of the six steps of an anchor skips no value, uses none twice, and breaches nothing', async () => {
  const { rig } = box;
  const chain = new CutChain(box);
  for (const [i, point] of CUT_POINTS.entries()) await chain.cut('both', point, 7 * i);
  await chain.end();
  await rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict).toMatchObject({ outcome: 'verified' });
  expect(log.anchors.refused).toEqual([]);
  expect(log.anchors.continuity).toEqual([]);
  expect(counterFaults(events)).toEqual([]);
  expect(events.filter(({ type }) => type === 'gateway.started').length).toBeGreaterThan(CUT_POINTS.length);
  rig.judge();
});

test('a TPM that is gone under load holds up no entry; anchors go on when it is back, also after a reset', async () => {
  const { rig, tpm } = box;
  const before = await anchored(rig, 0);
  await tpm.powerOff();
  const made = rig.feed.last;
  for (let i = 0; i < 20; i += 1) rig.feed.scan(50);
  await rig.settle();
  expect(rig.feed.last).toBeGreaterThanOrEqual(made + 1_000);
  const away = await rig.statusUntil('the TPM is said to be away', (status) => status.tpm?.anchors.state === 'away');
  expect(away.healthy).toBe(false);
  expect(away.problems.some((problem) => problem.includes('TPM'))).toBe(true);
  await tpm.start();
  const back = await anchored(rig, before + 1);
  // A glitch on its reset line: it starts anew under the running daemon, which was not there to see it.
  await tpm.powerCut();
  rig.feed.scan(5);
  await anchored(rig, back + 1);
  await rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  expect(log.anchors.continuity.every(({ name }) => name === 'reset_unobserved')).toBe(true);
  expect(counterFaults(events)).toEqual([]);
});

test('a TPM that is away at the start: entries are recorded at once, and signed, attested and anchored when it is back', async () => {
  const { rig, tpm } = box;
  await rig.gateway.stop();
  await tpm.powerOff();
  await rig.startGateway();
  const { log, tpm: state } = await rig.statusUntil('the daemon answers', () => true);
  rig.feed.scan(10);
  await rig.statusUntil('scans are durable', (status) => status.log.entries >= log.entries + 10);
  expect(state?.attested).toBe(false);
  await tpm.start();
  const { tpm: later } = await rig.statusUntil('the start is attested', (status) => status.tpm?.attested === true);
  await anchored(rig, (later?.anchors.counter ?? 0) + 1);
  await rig.settle();
  const { verdict } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  rig.judge();
});

test('a TPM that hangs is waited for by neither a start nor a stop', async () => {
  const { rig, tpm } = box;
  await rig.gateway.stop();
  tpm.pause();
  try {
    await rig.startGateway();
    const { log, tpm: state } = await rig.statusUntil('the daemon answers', () => true);
    expect(state?.attested).toBe(false);
    rig.feed.scan(5);
    await rig.statusUntil('scans are durable', (status) => status.log.entries >= log.entries + 5);
    const { code } = await rig.gateway.stop();
    expect(code).toBe(0);
  } finally {
    tpm.resume();
  }
  await rig.startGateway();
  await rig.settle();
  rig.judge();
});

test('five wrong authorisations of somebody else lock out nothing of ours', async () => {
  const { rig, tpm } = box;
  const before = await anchored(rig, 0);
  await rig.gateway.stop();
  const client = testClient(tpm.address);
  const { box: ours } = await testBox(client, join(rig.gatewayData, 'keys'));
  const template = signerTemplate({ x: new Uint8Array(0), y: new Uint8Array(0) });
  const guarded = { ...template, attributes: template.attributes & ~TPMA_OBJECT.noDA };
  const codes: string[] = [];
  await ours.run(async (unit) => {
    const made = await Create(unit, ours.srk, guarded, { auth: new Secret(utf8('right')) });
    const key = await Load(unit, ours.srk, made);
    for (let i = 0; i < 5; i += 1) {
      const failure = await Sign(unit, { ...key, auth: new Secret(utf8('wrong')) }, new Uint8Array(32)).catch(
        (error: unknown) => error,
      );
      codes.push((failure as { readonly code: string }).code);
    }
  });
  expect(codes).toHaveLength(5);
  expect(codes.at(-1)).toBe('TPM_LOCKOUT');
  await client.close();
  await rig.startGateway();
  rig.feed.scan(1);
  expect(await anchored(rig, before + 1)).toBeGreaterThan(before);
  await rig.settle();
});

test('databases restored from a copy: the breach is named, a new log goes on, and the locker works', async () => {
  const { rig } = box;
  await rig.gateway.stop();
  const journal = join(rig.gatewayData, 'journal');
  const copy = box.dir.file('copy');
  cpSync(journal, copy, { recursive: true });
  await rig.startGateway();
  const { log: first } = await rig.statusUntil('the daemon answers', () => true);
  const before = await anchored(rig, 0);
  rig.feed.scan(3);
  await anchored(rig, before + 1);
  await rig.settle();
  await rig.gateway.stop();
  rmSync(journal, { recursive: true });
  cpSync(copy, journal, { recursive: true });
  await rig.startGateway();
  const breached = await rig.statusUntil('a new log is open', ({ log }) => log.origin !== first.origin);
  expect(breached.journal.logs.find(({ origin }) => origin === first.origin)).toMatchObject({ state: 'breached' });
  rig.trust(breached.log.vkey);
  rig.visit('a2');
  await rig.settle();
  const { log, events } = await verdictOf(box, 'hardware');
  expect(log.origin).toBe(breached.log.origin);
  const [opened] = events;
  expect(opened?.data).toMatchObject({ after: { log: first.origin, cause: 'breach' } });
  const { expected = 0, found } = counterOf(opened);
  expect(found).toBeGreaterThan(expected);
  expect(events.some(({ type }) => type === 'door.opened')).toBe(true);
});

test('a lost journal directory: the next log says so, counts on from what the TPM holds, and works', async () => {
  const { rig } = box;
  const { log: last } = await rig.statusUntil('the daemon answers', () => true);
  const before = await anchored(rig, 0);
  await rig.gateway.stop();
  rmSync(join(rig.gatewayData, 'journal'), { recursive: true });
  await rig.startGateway();
  const { log } = await rig.statusUntil('the daemon answers', () => true);
  rig.trust(log.vkey);
  rig.feed.scan(2);
  await anchored(rig, before + 1);
  await rig.settle();
  const { events, verdict } = await verdictOf(box, 'hardware');
  expect(events[0]?.data).toMatchObject({ after: { log: last.origin, cause: 'missing' } });
  expect(counterOf(events[0]).found).toBeGreaterThanOrEqual(before);
  expect(verdict.outcome).toBe('verified');
});
