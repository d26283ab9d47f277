/** The gateway's session in TypeScript against the device in C, over an honest cable. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { get32 } from '../../../firmware-protocol/codec/bytes.ts';
import { isMeasuredBy } from '../../../firmware-protocol/codec/crypto.ts';
import {
  openBody,
  pollBody,
  readCapable,
  readCounted,
  readMeasured,
  readOpened,
  readPolled,
  setKeyBody,
  timeBody,
} from '../../../firmware-protocol/codec/messages.ts';
import { SEALED_TYPES } from '../../../firmware-protocol/codec/types.ts';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import { nodeWireCrypto } from '../../../src/edge/drivers/latchkey/wire-crypto.ts';
import { answerIn, BenchDevice, BenchGateway, IDENTITY, KEY, LABEL_KEY } from '../../support/wire-bench.ts';

const { POLL, POLLED, CAPABILITIES, MEASURE, TIME, OPEN, SET_KEY, SET_ADDRESS, COUNTERS, ECHO, FAILED } = SEALED_TYPES;
const NOTHING = new Uint8Array(0);

let device: BenchDevice;
let gateway: BenchGateway;
beforeEach(async () => {
  device = await BenchDevice.start();
  gateway = new BenchGateway();
});
afterEach(async () => {
  expect(await device.end(), 'sanitizers found nothing').toBe(0);
});

test('three passes open a session that names key and boot', async () => {
  await gateway.open(device);
  expect(gateway.session).toMatchObject({ keyNumber: 3, boot: 5, number: 0 });
  expect(gateway.outputs.at(-1)).toMatchObject({ kind: 'opened', boot: 5, uptimeMs: 1_000, nextEvent: 1 });
  expect(gateway.refusals.size).toBe(0);
});

test('frames are as long as README.md counts them', async () => {
  const sizes: number[] = [];
  const hello = gateway.hello();
  const challenge = await device.hear(hello);
  gateway.hear(challenge);
  const prove = gateway.line;
  const ready = await device.hear(prove);
  gateway.hear(ready);
  const poll = gateway.ask(POLL, pollBody(0));
  for (const line of [hello, challenge, prove, ready, poll, await device.hear(poll)]) sizes.push(line.length);
  expect(sizes).toEqual([30, 57, 26, 34, 27, 36]);
});

test('each session has keys and a name of its own', async () => {
  await gateway.open(device);
  const first = gateway.session?.keys;
  await gateway.open(device);
  const second = gateway.session?.keys;
  expect(hex(second?.id ?? NOTHING)).not.toBe(hex(first?.id ?? NOTHING));
  expect(hex(second?.fromDevice ?? NOTHING)).not.toBe(hex(first?.fromDevice ?? NOTHING));
  expect(hex(second?.fromDevice ?? NOTHING)).not.toBe(hex(second?.fromGateway ?? NOTHING));
});

describe('polling', () => {
  test('tells what is, and what happened, in its order, until it is acknowledged', async () => {
    await gateway.open(device);
    await device.tell('door 2 1');
    device.nowMs += 40;
    await device.tell('item 2 1');
    await device.tell(`event 4 ${hex(utf8(']C0ABC-1'))}`);
    await device.tell('event 5 0131323334');
    await device.tell('event 3 0101e8030000');
    await device.tell('tamper 1 1');
    await device.tell('power 0 0 80');
    const polled = readPolled((await gateway.exchange(device, POLL, pollBody(0)))?.body ?? NOTHING);
    expect(polled).toMatchObject({ uptimeMs: 1_040, nextEvent: 8, more: false, tampered: true, mainsLost: true });
    expect(polled.doors).toEqual(Array.from({ length: 12 }, (_, i) => i === 1));
    expect(polled.events).toEqual([
      { number: 1, atMs: 1_000, kind: 'door', channel: 2, shut: true },
      { number: 2, atMs: 1_040, kind: 'item', channel: 2, there: true },
      { number: 3, atMs: 1_040, kind: 'scan', aim: ']C0', code: utf8('ABC-1') },
      { number: 4, atMs: 1_040, kind: 'keypad', keypad: 1, keys: '1234' },
      { number: 5, atMs: 1_040, kind: 'weight', channel: 1, stable: true, grams: 1_000 },
      { number: 6, atMs: 1_040, kind: 'tamper', input: 1, raised: true },
      { number: 7, atMs: 1_040, kind: 'power', source: 'mains', there: false, percent: 80 },
    ]);
    const again = readPolled((await gateway.exchange(device, POLL, pollBody(5)))?.body ?? NOTHING);
    expect(again.events.map(({ number }) => number)).toEqual([6, 7]);
    const none = readPolled((await gateway.exchange(device, POLL, pollBody(7)))?.body ?? NOTHING);
    expect(none.events).toEqual([]);
  });

  test('a queue that is full shows as a gap in the numbers', async () => {
    await gateway.open(device);
    const long = hex(Uint8Array.from([0, 0, 0, ...new Array<number>(200).fill(0x41)]));
    expect(await device.tell(`event 4 ${long}`)).toBe('event 0');
    expect(await device.tell(`event 4 ${long}`)).toBe('event 0');
    expect(await device.tell(`event 4 ${long}`)).toBe('event -1');
    await device.tell('door 1 1');
    const first = readPolled((await gateway.exchange(device, POLL, pollBody(0)))?.body ?? NOTHING);
    expect(first).toMatchObject({ more: true, nextEvent: 5 });
    expect(first.events.map(({ number }) => number)).toEqual([1]);
    const second = readPolled((await gateway.exchange(device, POLL, pollBody(1)))?.body ?? NOTHING);
    expect(second.events.map(({ number }) => number)).toEqual([2, 4]);
    expect((await device.counts())['dropped']).toBe(1);
  });

  test('an acknowledgement of what was never sent is refused, and nothing is forgotten', async () => {
    await gateway.open(device);
    await device.tell('door 1 1');
    const answer = await gateway.exchange(device, POLL, pollBody(9));
    expect(answer).toMatchObject({ type: FAILED, body: Uint8Array.of(2) });
    const polled = readPolled((await gateway.exchange(device, POLL, pollBody(0)))?.body ?? NOTHING);
    expect(polled.events).toHaveLength(1);
  });
});

test('capabilities, time, counters and echo', async () => {
  await gateway.open(device);
  const capable = readCapable((await gateway.exchange(device, CAPABILITIES, NOTHING))?.body ?? NOTHING);
  expect(capable).toMatchObject({ channels: 12, bodyBytesMax: 250, debounceMs: 30, firmware: '1.2.3', model: 'bench' });
  expect(capable.features).toContain('door');
  expect(capable.features).not.toContain('attention');
  const timed = await gateway.exchange(device, TIME, timeBody(1_795_000_000_000));
  expect(get32(timed?.body ?? NOTHING, 0)).toBe(1_000);
  const counted = readCounted((await gateway.exchange(device, COUNTERS, NOTHING))?.body ?? NOTHING);
  expect(counted).toMatchObject({ frames: 5, sessions: 1, forged: 0 });
  const payload = Uint8Array.from({ length: 250 }, (_, i) => i);
  expect((await gateway.exchange(device, ECHO, payload))?.body).toEqual(payload);
  expect((await gateway.exchange(device, ECHO, new Uint8Array(250)))?.body).toEqual(new Uint8Array(250));
});

test('a measurement is signed with the device key over the nonce of whoever asks', async () => {
  await gateway.open(device);
  const nonce = new Uint8Array(16).fill(9);
  const measured = readMeasured((await gateway.exchange(device, MEASURE, nonce))?.body ?? NOTHING);
  expect(measured.digest).toEqual(new Uint8Array(32).fill(0xd1));
  const report = { identity: IDENTITY, nonce, ...measured };
  expect(isMeasuredBy(nodeWireCrypto, KEY.key, report)).toBe(true);
  expect(isMeasuredBy(nodeWireCrypto, LABEL_KEY, report)).toBe(false);
  expect(isMeasuredBy(nodeWireCrypto, KEY.key, { ...report, boot: 6 })).toBe(false);
  expect(isMeasuredBy(nodeWireCrypto, KEY.key, { ...report, nonce: new Uint8Array(16) })).toBe(false);
});

describe('opening', () => {
  const command = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const request = { channel: 4, pulseMs: 200, notAfterMs: 2_000, command };

  test('a command is performed once, also in a later session', async () => {
    await gateway.open(device);
    expect(readOpened((await gateway.exchange(device, OPEN, openBody(request)))?.body ?? NOTHING).result).toBe('fired');
    await gateway.open(device);
    expect(readOpened((await gateway.exchange(device, OPEN, openBody(request)))?.body ?? NOTHING).result).toBe(
      'fired_before',
    );
    expect(await device.ask('fired')).toBe('fired 1');
  });

  test.each([
    [{ ...request, notAfterMs: 999 }, 'too_late'],
    [{ ...request, notAfterMs: 1_000 }, 'fired'],
    [{ ...request, channel: 13 }, 'no_channel'],
    [{ ...request, pulseMs: 0 }, 'lock_refuses'],
  ] as const)('%o is answered %s', async (open, result) => {
    await gateway.open(device);
    expect(readOpened((await gateway.exchange(device, OPEN, openBody(open)))?.body ?? NOTHING).result).toBe(result);
  });

  test('a time before which the uptime wrapped around is not too late', async () => {
    device.nowMs = 0xffff_ff00;
    await gateway.open(device);
    const open = openBody({ ...request, notAfterMs: 500 });
    expect(readOpened((await gateway.exchange(device, OPEN, open))?.body ?? NOTHING).result).toBe('fired');
  });
});

describe('keys', () => {
  const NEXT = { number: 4, key: new Uint8Array(16).fill(0x44) };

  test('rotation: both keys work until the next one has opened a session', async () => {
    await gateway.open(device);
    await gateway.exchange(device, SET_KEY, setKeyBody(NEXT.number, NEXT.key));
    await gateway.open(device, KEY);
    expect(gateway.session?.keyNumber).toBe(3);
    await gateway.open(device, NEXT);
    expect(gateway.session?.keyNumber).toBe(4);
    expect(await device.ask('kept')).toContain(`7 4 ${hex(NEXT.key)} 0 `);
    gateway.hear(await device.hear(gateway.hello(KEY)));
    gateway.step({ kind: 'timeout' });
    expect(gateway.outputs.at(-1)).toEqual({ kind: 'failed', reason: 'unknown_key' });
  });

  test('what cannot be kept is not answered as kept', async () => {
    await gateway.open(device);
    await device.ask('keep_fails 1');
    expect(await gateway.exchange(device, SET_KEY, setKeyBody(4, NEXT.key))).toMatchObject({
      type: FAILED,
      body: Uint8Array.of(4),
    });
    expect(await gateway.exchange(device, SET_ADDRESS, Uint8Array.of(8))).toMatchObject({ type: FAILED });
  });

  test('a number that is not above the one in use is refused', async () => {
    await gateway.open(device);
    expect(await gateway.exchange(device, SET_KEY, setKeyBody(3, NEXT.key))).toMatchObject({ type: FAILED });
  });

  test('the label key is taken in pairing mode, or by a device that has no other', async () => {
    const label = { number: 0, key: LABEL_KEY };
    gateway.hear(await device.hear(gateway.hello(label)));
    gateway.step({ kind: 'timeout' });
    expect(gateway.outputs.at(-1)).toEqual({ kind: 'failed', reason: 'unknown_key' });
    await device.ask('pairing 1');
    await gateway.open(device, label);
    expect(gateway.session?.keyNumber).toBe(0);
    await device.ask('pairing 0');
    await device.restart({ current: undefined });
    await gateway.open(device, label);
    expect(gateway.session?.keyNumber).toBe(0);
  });
});

test('a request of a later edition, or one that is malformed, is answered FAILED', async () => {
  await gateway.open(device);
  expect(await gateway.exchange(device, 0x2a, NOTHING)).toMatchObject({ type: FAILED, body: Uint8Array.of(1) });
  expect(await gateway.exchange(device, POLL, NOTHING)).toMatchObject({ type: FAILED, body: Uint8Array.of(2) });
});

test('a session without requests ends after a minute', async () => {
  await gateway.open(device);
  device.nowMs += 60_000;
  expect(await gateway.exchange(device, POLL, pollBody(0))).toMatchObject({ type: POLLED });
  device.nowMs += 60_001;
  expect((await device.hear(gateway.ask(POLL, pollBody(0)))).length).toBe(0);
  expect((await device.counts())['noSession']).toBe(1);
});

test('a repeated request gets the identical answer and is performed once', async () => {
  await gateway.open(device);
  const request = gateway.ask(OPEN, openBody({ channel: 1, pulseMs: 9, notAfterMs: 9_000, command: IDENTITY }));
  const first = await device.hear(request);
  device.nowMs += 70;
  gateway.step({ kind: 'timeout' });
  expect(gateway.line).toEqual(request);
  const second = await device.hear(gateway.line);
  expect(second).toEqual(first);
  expect(await device.ask('fired')).toBe('fired 1');
  expect(answerIn(gateway.hear(first))).toBeDefined();
  // The answer to the repetition comes too: ordinary, and nothing new.
  expect(answerIn(gateway.hear(second))).toBeUndefined();
  expect(gateway.refusals).toEqual(
    new Map([
      ['timeouts', 1],
      ['repeated', 1],
    ]),
  );
});

test('a lost READY is told again', async () => {
  gateway.hear(await device.hear(gateway.hello()));
  const ready = await device.hear(gateway.line);
  gateway.step({ kind: 'timeout' });
  const again = await device.hear(gateway.line);
  expect(again).toEqual(ready);
  gateway.hear(again);
  expect(gateway.session?.number).toBe(0);
});
