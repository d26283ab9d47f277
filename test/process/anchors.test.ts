/** The daemon with a TPM: anchors appear, hold together over cuts, and name what was rolled back. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Child } from '../../simulators/demo/child-process.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { CUT_POINTS, CutChain, counterFaults } from './support/tpm-cuts.ts';
import { anchored, makeTpmRig, type TpmRig, verdictOf } from './support/tpm-rig.ts';

let box: TpmRig;

const UNREAD = /the anchor counter cannot be read now|a log opens without the value of the anchor counter/;

const LATE = /this start is attested later/;

function isSaid(by: Child, what: RegExp): boolean {
  return by.lines('err').some((line) => what.test(line));
}

interface Counter {
  readonly expected?: number;
  readonly found: number;
}

/**
 * What entry 0 says of the counter; nothing only where the daemon that began the log says that it could not ask for it in
 * time: a start spends a second on its TPM, and a machine under load takes that for what is asked before.
 */
function counterOf(opened: CustodyEvent | undefined, beganBy: Child): Counter | undefined {
  const counter = opened?.data['counter'];
  const isUnread = isSaid(beganBy, UNREAD);
  if (isUnread !== (counter === undefined)) throw new Error(`entry 0 says of the counter: ${JSON.stringify(counter)}`);
  return counter as Counter | undefined;
}

const scanOf = (number: number): string => `LK-${String(number).padStart(7, '0')}`;

/** The next anchor is further away than this once there is nothing new to anchor: its own entry asks for none. */
const STILL_MS = 60_000;

/** Judges once, when the daemon has made the anchors that it owed and all that left it is receipted: nothing is under way. */
async function judged(rig: TpmRig['rig']): Promise<void> {
  await rig.statusUntil('the anchors are made, and everything is receipted', ({ tpm, log }) => {
    const { state, dueInMs = 0 } = tpm?.anchors ?? {};
    const isMade = state === 'idle' || (state === 'waiting' && dueInMs > STILL_MS);
    return isMade && log.receipted === log.entries && rig.oracle.entriesOf(log.origin) === log.entries;
  });
  rig.judge();
}

beforeAll(async () => {
  box = await makeTpmRig({ board: true });
});
afterAll(() => box.close());

test('anchors appear by themselves, and a verifier with AK and counter in its policy says what they cover', async () => {
  const { rig } = box;
  const beganBy = rig.gateway;
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
  const found = counterOf(opened, beganBy);
  if (found !== undefined) expect(found).toEqual({ found: expect.any(Number) });
  const started = events.find(({ type }) => type === 'gateway.started');
  const resets = { tpm_resets: expect.any(Number), tpm_restarts: expect.any(Number) };
  expect(started?.data).toMatchObject(isSaid(beganBy, LATE) ? {} : resets);
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
  await judged(rig);
});

test('a TPM that is gone under load holds up no entry; anchors go on when it is back, also after a reset', async () => {
  const { rig, tpm } = box;
  const before = await anchored(rig, 0);
  await tpm.powerOff();
  const made = rig.feed.last;
  for (let i = 0; i < 10; i += 1) rig.feed.scan(50);
  await rig.settle();
  expect(rig.feed.last).toBeGreaterThanOrEqual(made + 500);
  const away = await rig.statusUntil('the TPM is said to be away', (status) => status.tpm?.anchors.state === 'away');
  expect(away.healthy).toBe(false);
  expect(away.problems.some((problem) => problem.includes('TPM'))).toBe(true);
  await tpm.start();
  const isAttested = ({ tpm: now }: GatewayStatus) => now?.attested === true && now.anchors.state !== 'away';
  const back = await anchored(rig, before + 1);
  await rig.statusUntil('the start is attested anew', isAttested);
  // A glitch on its reset line: it starts anew under the running daemon, which was not there to see it.
  await tpm.powerCut();
  rig.feed.scan(5);
  await anchored(rig, back + 1);
  await rig.statusUntil('the start is attested anew', isAttested);
  await rig.settle();
  const { verdict, log, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  // The daemon saw the new boot of its TPM, and had its AK say so.
  expect(log.anchors.continuity).toEqual([]);
  expect(events.flatMap(({ data }) => data['reason'] ?? [])).toContain('tpm_reset');
  expect(counterFaults(events)).toEqual([]);
});

/** Long before a TPM that hangs would be given up; a machine under load takes seconds for a start alone. */
const START_LIMIT_MS = 12_000;

test('a TPM that hangs is waited for by neither a start nor a stop: devices are read, and the rest follows when it answers', async () => {
  const { rig, tpm } = box;
  await rig.gateway.stop();
  tpm.pause();
  const startedMs = performance.now();
  await rig.startGateway();
  rig.feed.scan(5);
  const scanned = rig.feed.last;
  expect(performance.now() - startedMs).toBeLessThan(START_LIMIT_MS);
  const { log, tpm: state } = await rig.statusUntil('the daemon answers', () => true);
  rig.feed.scan(5);
  const later = await rig.statusUntil('scans are durable', (status) => status.log.entries >= log.entries + 5);
  expect(state?.attested).toBe(false);
  expect(later.journal.logs.at(-1)).toMatchObject({ state: 'open', key: 'locked' });
  expect((await rig.gateway.stop()).code).toBe(0);
  await rig.startGateway();
  tpm.resume();
  const back = await rig.statusUntil('the start is attested', (status) => status.tpm?.attested === true);
  // The anchor over the start may be made already: there is something new for another one.
  rig.feed.scan(1);
  await anchored(rig, (back.tpm?.anchors.counter ?? 0) + 1);
  await rig.settle();
  const { verdict, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  const [silent, last] = events.filter(({ type }) => type === 'gateway.started').slice(-2);
  for (const started of [silent, last]) expect(started?.data).not.toHaveProperty('tpm_resets');
  const texts = events.flatMap(({ type, data }) => (type === 'code.scanned' ? [String(data['text'])] : []));
  expect(texts).toContain(scanOf(scanned));
  expect(texts).toEqual([...texts].sort());
  await judged(rig);
});

test('the first start of a box whose TPM hangs: its log begins with a key that waits, is cut off, and loses nothing', async () => {
  const { rig, tpm } = box;
  await rig.gateway.stop();
  rig.newGateway('gw-late');
  tpm.pause();
  const startedMs = performance.now();
  await rig.startGateway();
  rig.feed.scan(3);
  const first = rig.feed.last;
  expect(performance.now() - startedMs).toBeLessThan(START_LIMIT_MS);
  const begun = await rig.statusUntil('three scans are durable', ({ log, journal }) => {
    return log.entries >= 5 && journal.waiting === 0;
  });
  expect(begun.healthy).toBe(false);
  expect(begun.problems.join()).toMatch(/has never answered this box: nothing is signed until it does/);
  expect(begun.journal.logs).toMatchObject([{ state: 'open', key: 'locked', noteSize: 0 }]);
  // The key was in the memory of that process alone.
  rig.gateway.signal('SIGKILL');
  await rig.gateway.exit();
  await rig.startGateway();
  rig.feed.scan(3);
  const next = await rig.statusUntil('another log is open', ({ log }) => log.origin !== begun.log.origin);
  expect(next.journal.logs.find(({ origin }) => origin === begun.log.origin)).toMatchObject({ cause: 'key_lost' });
  tpm.resume();
  rig.trust(next.log.vkey);
  await rig.statusUntil('the start is attested', (status) => status.tpm?.attested === true);
  await anchored(rig, 1);
  await rig.settle();
  const { log, verdict, events } = await verdictOf(box, 'hardware');
  expect(verdict.outcome).toBe('verified');
  expect(log.origin).toBe(next.log.origin);
  expect(events[0]?.data).toMatchObject({ after: { log: begun.log.origin, cause: 'key_lost' } });
  const texts = events.flatMap(({ type, data }) => (type === 'code.scanned' ? [String(data['text'])] : []));
  const wanted = Array.from({ length: rig.feed.last - first + 3 }, (_, i) => scanOf(first - 2 + i));
  expect(texts).toEqual(wanted);
  await judged(rig);
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
  const counter = counterOf(opened, rig.gateway);
  if (counter !== undefined) expect(counter.found).toBeGreaterThan(counter.expected ?? 0);
  expect(events.some(({ type }) => type === 'door.opened')).toBe(true);
});
