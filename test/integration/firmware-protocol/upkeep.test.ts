/** The time and the counters of firmware in C, through the driver: what only the device saw is seen at the gateway. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { join as join8 } from '../../../firmware-protocol/codec/bytes.ts';
import { lineOf, sealedHead } from '../../../firmware-protocol/codec/frame.ts';
import { type Locker, startLocker } from '../../support/locker.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';
import { openHub, type WireHub } from '../../support/wire-hub.ts';
import { pairAt, type RunningLine, startLine, wireSettings } from '../../support/wire-line.ts';

const WALL_MS = 1_795_000_000_000;

let dir: TempDir;
let locker: Locker;
let hub: WireHub;
let running: RunningLine | undefined;
beforeEach(async () => {
  dir = makeTempDir();
  locker = await startLocker({ dir: dir.path });
  hub = await openHub({ devices: [locker.path] });
  await pairAt(hub.path, settings(), locker.pairingCode);
});
afterEach(async () => {
  await running?.line.stop();
  running = undefined;
  await hub.close();
  await locker.stop();
  dir.remove();
});

const settings = () => wireSettings('bank', dir.file('keys.json'));

async function start(): Promise<RunningLine> {
  await running?.line.stop();
  const next = startLine(hub.path, [settings()], 200, () => WALL_MS);
  running = next;
  await until('its counters are read', () => next.line.status().devices[0]?.counters !== undefined);
  return next;
}

const counterOf = ({ line }: RunningLine, name: string): number => line.status().devices[0]?.counters?.[name] ?? 0;
const inputs = ({ readings }: RunningLine): readonly string[] => [
  ...new Set(readings.flatMap((one) => (one.kind === 'input' && one.active ? [one.input] : []))),
];
const missing = ({ readings }: RunningLine): number =>
  readings.reduce((sum, one) => sum + (one.kind === 'device' ? (one.missing ?? 0) : 0), 0);

/** More than its queue holds, in one go. */
const tooMuch = (): void =>
  locker.hands(Array.from({ length: 12 }, (_, i) => `scan ]C0 ${String(i).padStart(190, '0')}`).join('\n'));

const countLines = (): readonly string[] => locker.child.lines().filter((line) => /^(?: \d+){10}$/.test(line));

/** As it counts them, once it has taken in what was typed before. */
async function dropped(): Promise<number> {
  const before = countLines().length;
  locker.hands('counts');
  await until('it says its counters', () => countLines().length > before);
  return Number(countLines().at(-1)?.trim().split(' ').at(-1));
}

test('the device is told the time when its session opens', async () => {
  await start();
  expect(await locker.child.line(/^time /)).toBe(`time ${WALL_MS}`);
});

test('a frame forged to the device while the gateway is away, and one replayed, are told when it is back', async () => {
  const first = await start();
  // Not the last one: that would be a repetition.
  const question = hub.fromGateway.filter(({ frame }) => frame.sealed).at(-3);
  if (question === undefined) throw new Error('expected a sealed question');
  await first.line.stop();
  expect(inputs(first)).toEqual([]);
  hub.whisper(0, lineOf(join8(sealedHead(false, 1, 99), new Uint8Array(20).fill(7))));
  hub.whisper(0, question.line);
  const second = await start();
  await until('both are told', () => inputs(second).length >= 2);
  expect(inputs(second)).toEqual(['line_forged_at_device', 'line_replayed_at_device']);
  expect(counterOf(second, 'forged')).toBe(1);
  // Not again by the next run.
  const third = await start();
  await until('it is polled', () => third.readings.some(({ kind }) => kind === 'board'));
  expect(inputs(third)).toEqual([]);
  expect(counterOf(third, 'forged')).toBe(1);
});

test('as many events as the device dropped are told as lost, also those of a time without a gateway, each once', async () => {
  const first = await start();
  tooMuch();
  await until('a loss is told', () => missing(first) > 0);
  const atFirst = await dropped();
  await until('all of it', () => missing(first) === atFirst);
  expect(first.changes('bank').slice(-2)).toEqual(['faulted events_lost', 'found authenticated']);

  await first.line.stop();
  tooMuch();
  const away = (await dropped()) - atFirst;
  expect(away).toBeGreaterThan(0);
  const second = await start();
  await until('the loss is told', () => missing(second) > 0);
  await until('what was kept has come', () => second.readings.some(({ kind }) => kind === 'scan'));
  expect(missing(second)).toBe(away);
  expect(counterOf(second, 'events_dropped')).toBe(atFirst + away);

  const third = await start();
  await until('it is polled', () => third.readings.some(({ kind }) => kind === 'board'));
  expect(missing(third)).toBe(0);
});

test('an event is acknowledged when it is recorded and not before, is told once, and again after a power cut before that', async () => {
  let isRecorded = false;
  const recorded = (): Promise<void> =>
    isRecorded ? Promise.resolve() : Promise.reject(new Error('the disk is away'));
  const begin = (): RunningLine => startLine(hub.path, [settings()], 200, undefined, recorded);
  const scans = ({ readings }: RunningLine): number => readings.filter(({ kind }) => kind === 'scan').length;
  const polls = (of: RunningLine): number => of.readings.filter(({ kind }) => kind === 'board').length;
  const polledOn = (of: RunningLine): Promise<void> => {
    const from = polls(of);
    return until('it is polled on', () => polls(of) > from + 3);
  };
  const first = begin();
  running = first;
  await until('it is polled', () => polls(first) > 0);
  locker.hands('scan ]C0 ABC-1');
  await until('it is told', () => scans(first) > 0);
  // The device says it in each answer meanwhile.
  await polledOn(first);
  expect(scans(first)).toBe(1);
  expect(missing(first)).toBe(0);
  // As after a power cut: whatever was in memory is gone.
  await first.line.stop();
  const second = begin();
  running = second;
  await until('it is told again', () => scans(second) > 0);
  isRecorded = true;
  await polledOn(second);
  await second.line.stop();
  const third = begin();
  running = third;
  await until('it is polled', () => polls(third) > 0);
  await polledOn(third);
  expect(scans(third)).toBe(0);
  expect(missing(third)).toBe(0);
});

test('a door that opened and shut while the line was cut is told when it is back, as old as it is', async () => {
  const { readings } = await start();
  const boards = () => readings.flatMap((one) => (one.kind === 'board' ? [one] : []));
  await until('it is polled', () => boards().length > 0);
  hub.pull(0);
  await until('it is lost', () => running?.changes('bank').at(-1) === 'lost no_reply');
  const from = boards().length;
  const lastUpMs = boards().at(-1)?.observed.upMs ?? 0;
  locker.hands('door 3 open\ndoor 3 shut');
  // It has heard them once it says its counters.
  await dropped();
  hub.plug(0);
  await until('it is back', () => boards().length > from + 4);
  const told = boards().slice(from);
  expect(told.slice(0, 5).map(({ channels }) => channels[2]?.feedback)).toEqual([0, 0, 1, 1, 1]);
  const opened = told[0]?.askedUpMs ?? 0;
  expect(opened).toBeGreaterThanOrEqual(lastUpMs);
  expect(opened).toBeLessThan(told[4]?.askedUpMs ?? 0);
});

test('a door of a line on which a device is being paired is not opened late, but refused', async () => {
  const { line } = await start();
  const signal = AbortSignal.timeout(60_000);
  const asked: Promise<unknown>[] = [];
  // In the middle of the pairing.
  const say = (): void => void asked.push(line.unlock('bank', 1, signal));
  const paired = await line.pair('bank', { say, signal });
  expect(await asked[0]).toEqual({ kind: 'not_sent', reason: 'line_busy' });
  expect(paired.key).toBe(2);
  await until('it is found under its new key', () =>
    (running?.readings ?? []).some((one) => one.kind === 'device' && one.sensor?.key === 2),
  );
  expect(running?.changes('bank').slice(-2)).toEqual(['lost pairing', 'found authenticated']);
  expect(await line.unlock('bank', 1, signal)).toMatchObject({ kind: 'sent', reply: 'accepted' });
});
