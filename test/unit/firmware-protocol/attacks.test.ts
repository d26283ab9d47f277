/**
 * Somebody on the cable, one test for each thing that he can try (PROTOCOL.md section 13): what he gets is nothing, and what he did
 * shows in counters of the gateway or of the device.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { join } from '../../../firmware-protocol/codec/bytes.ts';
import { cobsDecode } from '../../../firmware-protocol/codec/cobs.ts';
import { lineOf, openContent } from '../../../firmware-protocol/codec/frame.ts';
import { openBody, pollBody, readPolled } from '../../../firmware-protocol/codec/messages.ts';
import { OPEN_TYPES, SEALED_TYPES } from '../../../firmware-protocol/codec/types.ts';
import { ADDRESS, answerIn, BenchDevice, BenchGateway, IDENTITY, KEY } from '../../support/wire-bench.ts';

const { POLL, OPEN, ECHO } = SEALED_TYPES;
const NOTHING = new Uint8Array(0);
const opening = (notAfterMs: number): Uint8Array =>
  openBody({ channel: 1, pulseMs: 200, notAfterMs, command: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });

let device: BenchDevice;
let gateway: BenchGateway;
beforeEach(async () => {
  device = await BenchDevice.start();
  gateway = new BenchGateway();
  await gateway.open(device);
});
afterEach(async () => {
  expect(await device.end(), 'sanitizers found nothing').toBe(0);
});

/** The same frame with other content, its CRC made anew: what noise cannot do. */
function altered(line: Uint8Array, alter: (content: Uint8Array) => void): Uint8Array {
  const content = cobsDecode(line.subarray(1, -1))?.slice(0, -4) ?? NOTHING;
  alter(content);
  return lineOf(content);
}

test('replay towards the device: an old request does nothing', async () => {
  const old = gateway.ask(OPEN, opening(9_000));
  gateway.hear(await device.hear(old));
  await gateway.exchange(device, POLL, pollBody(0));
  expect((await device.hear(old)).length).toBe(0);
  expect(await device.ask('fired')).toBe('fired 1');
  expect((await device.counts())['replayed']).toBe(1);
});

test('replay towards the device in a later session: another key, a forgery', async () => {
  const old = gateway.ask(OPEN, opening(9_000));
  await gateway.open(device);
  expect((await device.hear(old)).length).toBe(0);
  expect(await device.ask('fired')).toBe('fired 0');
  expect((await device.counts())['forged']).toBe(1);
});

test('replay towards the gateway: an old answer is no answer', async () => {
  const old = await device.hear(gateway.ask(POLL, pollBody(0)));
  gateway.hear(old);
  expect(answerIn(gateway.hear(old))).toBeUndefined();
  gateway.ask(POLL, pollBody(0));
  expect(answerIn(gateway.hear(old))).toBeUndefined();
  expect(gateway.refusals).toEqual(new Map([['replayed', 2]]));
  // The true answer still counts.
  expect(answerIn(gateway.hear(await device.hear(gateway.line)))).toBeDefined();
});

test('forging either side: every single changed bit is refused, whatever its CRC says', async () => {
  const request = gateway.ask(POLL, pollBody(0));
  const size = (cobsDecode(request.subarray(1, -1))?.length ?? 0) - 4;
  let tried = 0;
  for (let bit = 0; bit < 8 * size; bit += 1) {
    const forged = altered(request, (content) => {
      content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    });
    expect((await device.hear(forged)).length, `bit ${bit}`).toBe(0);
    tried += 1;
  }
  expect(tried).toBe(20 * 8);
  const { forged = 0, damaged = 0 } = await device.counts();
  // Bits of number, text and tag; what changes control and address is not for this device, or no frame of it.
  expect(forged).toBeGreaterThanOrEqual(18 * 8);
  expect(damaged).toBeGreaterThan(0);
  const answer = await device.hear(request);
  const answerSize = (cobsDecode(answer.subarray(1, -1))?.length ?? 0) - 4;
  for (let bit = 0; bit < 8 * answerSize; bit += 1) {
    const wrong = altered(answer, (content) => {
      content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    });
    expect(answerIn(gateway.hear(wrong)), `bit ${bit}`).toBeUndefined();
  }
  expect(gateway.refusals.get('forged')).toBeGreaterThanOrEqual(8 * (answerSize - 2));
  expect(answerIn(gateway.hear(answer))).toBeDefined();
});

test('reorder: a later request before the earlier one is refused, by the device and by a gateway', async () => {
  const first = gateway.ask(ECHO, Uint8Array.of(1));
  const heldBack = await device.hear(first);
  gateway.hear(heldBack);
  const second = gateway.ask(ECHO, Uint8Array.of(2));
  const answer = await device.hear(second);
  // The device has seen number 2: number 1 comes too late.
  expect((await device.hear(first)).length).toBe(0);
  expect((await device.counts())['replayed']).toBe(1);
  expect(answerIn(gateway.hear(heldBack))).toBeUndefined();
  expect(answerIn(gateway.hear(answer))?.body).toEqual(Uint8Array.of(2));
  expect(gateway.refusals.get('replayed')).toBe(1);
});

test('a request ahead of its turn is refused: nothing was skipped unseen', async () => {
  const twin = new BenchGateway();
  twin.state = gateway.state;
  twin.ask(ECHO, Uint8Array.of(1));
  const state = twin.state;
  if (state.phase !== 'asking') throw new Error('expected a request');
  twin.state = { phase: 'ready', session: state.session, last: NOTHING };
  expect((await device.hear(twin.ask(ECHO, Uint8Array.of(2)))).length).toBe(0);
  expect((await device.counts())['skipped']).toBe(1);
});

test('drop: silence ends the session, and no event is lost by it', async () => {
  await device.tell('door 1 1');
  await device.hear(gateway.ask(POLL, pollBody(0)));
  const ended = [1, 2, 3, 4].flatMap(() => gateway.step({ kind: 'timeout' }));
  expect(ended.at(-1)).toEqual({ kind: 'failed', reason: 'no_reply' });
  expect(gateway.refusals.get('timeouts')).toBe(4);
  await gateway.open(device);
  const polled = readPolled((await gateway.exchange(device, POLL, pollBody(0)))?.body ?? NOTHING);
  expect(polled.events).toMatchObject([{ number: 1, kind: 'door' }]);
});

test('delay: a request that was held back opens nothing when it comes', async () => {
  const held = gateway.ask(OPEN, opening(device.nowMs + 2_000));
  device.nowMs += 2_001;
  await device.hear(held);
  expect(await device.ask('fired')).toBe('fired 0');
});

test('delay: an answer that comes after its session was given up is not taken', async () => {
  const late = await device.hear(gateway.ask(POLL, pollBody(0)));
  for (let i = 0; i < 4; i += 1) gateway.step({ kind: 'timeout' });
  expect(answerIn(gateway.hear(late))).toBeUndefined();
  expect(gateway.refusals.get('unasked')).toBe(1);
  await gateway.open(device);
  gateway.ask(POLL, pollBody(0));
  expect(answerIn(gateway.hear(late))).toBeUndefined();
  expect(gateway.refusals.get('forged')).toBe(1);
});

test('reflect: what one side said is not taken when it is told to it', async () => {
  const request = gateway.ask(POLL, pollBody(0));
  gateway.hear(request);
  expect(gateway.refusals.get('echoes')).toBe(1);
  const disguised = altered(request, (content) => {
    content[0] = 0x38;
  });
  expect(answerIn(gateway.hear(disguised))).toBeUndefined();
  expect(gateway.refusals.get('forged')).toBe(1);
  const answer = await device.hear(request);
  expect((await device.hear(answer)).length).toBe(0);
  const back = altered(answer, (content) => {
    content[0] = 0x28;
  });
  expect((await device.hear(back)).length).toBe(0);
  expect((await device.counts())['forged']).toBe(1);
  gateway.hear(answer);
  gateway.ask(POLL, pollBody(0));
  gateway.hear(request);
  expect(gateway.refusals.get('reflected')).toBe(1);
});

test('impersonating a device: without its key there is no session', async () => {
  const impostor = await BenchDevice.start({ current: { number: KEY.number, key: new Uint8Array(16).fill(0x99) } });
  const fooled = new BenchGateway();
  fooled.hear(await impostor.hear(fooled.hello()));
  expect(fooled.state.phase).toBe('greeted');
  expect(fooled.refusals.get('forged')).toBe(1);
  // A challenge recorded from the true device answers another number.
  const recorded = await device.hear(fooled.hello());
  const other = new BenchGateway();
  other.hello();
  other.hear(recorded);
  expect(other.refusals.get('forged')).toBe(1);
  expect(other.state.phase).toBe('greeted');
  expect(await impostor.end()).toBe(0);
});

test('impersonating the gateway: a challenge proves nothing to him, and the running session stays', async () => {
  const impostor = new BenchGateway();
  await device.hear(impostor.hello());
  const prove = lineOf(openContent(false, ADDRESS, OPEN_TYPES.PROVE, new Uint8Array(16).fill(7)));
  expect((await device.hear(prove)).length).toBe(0);
  expect((await device.counts())['forged']).toBe(1);
  expect(await gateway.exchange(device, ECHO, Uint8Array.of(1))).toBeDefined();
});

test('a swapped device: another identity under the same key opens no session', async () => {
  const other = await BenchDevice.start({ identity: Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9) });
  const fooled = new BenchGateway();
  fooled.hear(await other.hear(fooled.hello()));
  expect(fooled.outputs.at(-1)).toEqual({ kind: 'failed', reason: 'swapped' });
  expect(await other.end()).toBe(0);
});

test('downgrade: another version or key number than asked for is refused, changed or not', async () => {
  const hello = gateway.hello();
  const challenge = await device.hear(hello);
  for (const at of [3, 4]) {
    const lower = altered(challenge, (content) => {
      content[at] = (content[at] ?? 0) ^ 2;
    });
    gateway.hear(lower);
  }
  expect(gateway.refusals.get('downgraded')).toBe(2);
  expect(gateway.state.phase).toBe('greeted');
  // Changed in the HELLO, the device's proof is over what it heard, and does not fit what was said.
  const talkedDown = altered(hello, (content) => {
    content[4] = 2;
  });
  gateway.hear(await device.hear(talkedDown));
  expect(gateway.refusals.get('forged')).toBe(1);
  expect(gateway.state.phase).toBe('greeted');
  // An open frame with the type of an answer is not one.
  const plain = lineOf(openContent(true, ADDRESS, SEALED_TYPES.POLLED, new Uint8Array(10)));
  gateway.hear(plain);
  expect(gateway.refusals.get('malformed')).toBe(1);
});

test('a device in a session obeys no ASSIGN, nor a frame to all that is sealed', async () => {
  const assign = lineOf(openContent(false, 255, OPEN_TYPES.ASSIGN, join(IDENTITY, Uint8Array.of(9))));
  expect((await device.hear(assign)).length).toBe(0);
  expect((await device.counts())['refused']).toBe(1);
  expect(await gateway.exchange(device, ECHO, NOTHING)).toBeDefined();
});

test('a device that started anew knows no session, and its boot number says so', async () => {
  const request = gateway.ask(POLL, pollBody(0));
  await device.restart({ boot: 6 });
  expect((await device.hear(request)).length).toBe(0);
  expect((await device.counts())['noSession']).toBe(1);
  await gateway.open(device);
  expect(gateway.session?.boot).toBe(6);
});

test('the same boot, the same randomness: no challenge comes twice', async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 20; i += 1) seen.add(Buffer.from(await device.hear(gateway.hello())).toString('hex'));
  expect(seen.size).toBe(20);
});

test('a request that is held back for 49 days finds no session, although uptimes begin anew meanwhile', async () => {
  const held = gateway.ask(OPEN, opening(device.nowMs + 2_000));
  // The main loop says what time it is, and nobody speaks.
  expect(await device.tell('tick')).toBe('ok');
  device.nowMs += 60_001;
  expect(await device.tell('tick')).toBe('ok');
  device.nowMs = 1_500;
  expect((await device.hear(held)).length).toBe(0);
  expect(await device.ask('fired')).toBe('fired 0');
  expect((await device.counts())['noSession']).toBe(1);
});

test('a session cannot be kept alive by repeating its last request until uptimes begin anew', async () => {
  const last = gateway.ask(POLL, pollBody(0));
  gateway.hear(await device.hear(last));
  const held = gateway.ask(OPEN, opening(device.nowMs + 2_000));
  // The gateway is cut off; somebody who recorded it says the same again, each time within a minute.
  device.nowMs += 59_000;
  expect((await device.hear(last)).length).toBeGreaterThan(0);
  device.nowMs += 59_000;
  expect((await device.hear(last)).length).toBe(0);
  device.nowMs = 2 ** 31 + 5_000;
  expect((await device.hear(held)).length).toBe(0);
  expect(await device.ask('fired')).toBe('fired 0');
  expect(await device.counts()).toMatchObject({ repeated: 1, noSession: 2 });
});

test('a device whose challenges are used up gives none again until it starts anew', async () => {
  await device.ask('challenges 4294967294');
  const last = await device.hear(gateway.hello());
  expect(last.length).toBeGreaterThan(0);
  // The same HELLO still gets the same answer; another one gets nothing.
  expect(await device.hear(gateway.line)).toEqual(last);
  expect((await device.hear(gateway.hello())).length).toBe(0);
  expect((await device.counts())['refused']).toBe(1);
  await device.restart({ boot: 6 });
  await gateway.open(device);
  expect(gateway.session?.boot).toBe(6);
});

test('a device that starts anew between HELLO and PROVE accuses nobody', async () => {
  gateway.hear(await device.hear(gateway.hello()));
  await device.restart({ boot: 6 });
  expect((await device.hear(gateway.line)).length).toBe(0);
  expect(await device.counts()).toMatchObject({ noSession: 1, forged: 0 });
});

test('a session that fell silent is over also for ASSIGN, before any sealed frame says so', async () => {
  const assign = lineOf(openContent(false, 255, OPEN_TYPES.ASSIGN, join(IDENTITY, Uint8Array.of(9))));
  device.nowMs += 60_000;
  expect((await device.hear(assign)).length).toBe(0);
  device.nowMs += 1;
  expect((await device.hear(assign)).length).toBeGreaterThan(0);
  expect(await device.ask('kept')).toMatch(/^kept 9 /);
});
