/**
 * The resynchronisation bound of PROTOCOL.md section 2: zero bytes. Every frame whose own bytes arrive is delivered, whatever
 * was damaged before it, and nothing is delivered that was not sent.
 */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { join, put32 } from '../../../firmware-protocol/codec/bytes.ts';
import { FrameReceiver, lineOf, openContent } from '../../../firmware-protocol/codec/frame.ts';
import { hex } from '../../../src/base/bytes.ts';
import { compileFirmware, startHarness } from '../../support/firmware.ts';
import { Random } from '../../support/mutate.ts';
import { recover } from '../../support/wire-recovery.ts';
import { FROM_DEVICE, FROM_GATEWAY } from '../../support/wire-verdict.ts';

const FRAMES = 10_000;
const BURST_MAX = 32;
type Damage = 'change' | 'delete' | 'insert';

/** Frames that name themselves, of many sizes; type 7E is no type, which leaves the body free. */
function frameNumbered(index: number, random: Random): Uint8Array {
  const filling = random.bytes(index % 97 === 0 ? 240 : random.below(40));
  return lineOf(openContent(true, 7, 0x7e, join(put32(index), filling)));
}

interface Stream {
  readonly bytes: Uint8Array;
  /** Frames of which no byte was touched. */
  readonly whole: ReadonlySet<number>;
  readonly damages: number;
}

/** A stream of 10,000 frames with a burst into every fourth, of all lengths and kinds, also across frames. */
function damagedStream(seed: number): Stream {
  const random = new Random(seed);
  const pieces: Uint8Array[] = [];
  const whole = new Set<number>();
  let damages = 0;
  for (let index = 0; index < FRAMES; ) {
    const group = Array.from({ length: 4 }, (_, i) => frameNumbered(index + i, random));
    const starts = group.map((_, i) => group.slice(0, i).reduce((sum, line) => sum + line.length, 0));
    const bytes = join(...group);
    const size = 1 + (damages % BURST_MAX);
    const kind = (['change', 'delete', 'insert'] as const)[damages % 3] ?? 'change';
    // Where the burst begins: anywhere, so that it also lies over the end of a frame. The last stays whole.
    const at = random.below((starts[3] ?? 0) - BURST_MAX);
    pieces.push(damage(bytes, kind, at, size, random));
    for (const [i, line] of group.entries()) {
      const start = starts[i] ?? 0;
      const end = start + line.length;
      const isTouched = kind === 'insert' ? at > start && at < end : at < end && at + size > start;
      if (!isTouched) whole.add(index + i);
    }
    damages += 1;
    index += group.length;
  }
  return { bytes: join(...pieces), whole, damages };
}

function damage(bytes: Uint8Array, kind: Damage, at: number, size: number, random: Random): Uint8Array {
  if (kind === 'delete') return join(bytes.subarray(0, at), bytes.subarray(at + size));
  if (kind === 'insert') return join(bytes.subarray(0, at), random.bytes(size), bytes.subarray(at));
  return bytes.map((byte, i) => (i >= at && i < at + size ? byte ^ (1 + random.below(255)) : byte));
}

describe('a stream of 10,000 frames with bursts of 1 to 32 bytes', () => {
  const { bytes, whole, damages } = damagedStream(11);

  test('every frame that was not touched is delivered, and none that was not sent', () => {
    const random = new Random(11);
    const receiver = new FrameReceiver();
    const delivered: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(300);
      for (const received of receiver.push(bytes.subarray(at, at + size))) {
        if (received.kind === 'frame' && !received.frame.sealed) delivered.push(numberIn(received.frame.body));
      }
      at += size;
    }
    expect(damages).toBe(FRAMES / 4);
    expect([...whole].filter((index) => !delivered.includes(index))).toEqual([]);
    // In their order, each once: what was damaged did not become another frame.
    expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a - b));
    expect(whole.size).toBeGreaterThan(FRAMES / 2);
    expect(delivered.length).toBeLessThan(FRAMES);
  });

  test('the C side delivers as many', async () => {
    const harness = startHarness('verdict', `${hex(FROM_GATEWAY)}${hex(FROM_DEVICE)}`);
    const said = await harness.ask(hex(bytes));
    const receiver = new FrameReceiver();
    const own = receiver.push(bytes).filter(({ kind }) => kind === 'frame').length;
    expect(said.split(';').filter((verdict) => verdict.startsWith('open device 7 7e'))).toHaveLength(own);
    expect(await harness.end()).toBe(0);
  });
});

describe('bursts of each length in each pattern at one position of many (all of them in the campaign)', () => {
  test('TypeScript delivers what was not touched and nothing else', () => {
    const { cases, wholeCompared } = recover({
      seed: 5,
      frames: FRAMES,
      stride: 4_001,
      patterns: 9,
      wholeEvery: 9_973,
    });
    expect(cases).toBeGreaterThan(25_000);
    expect(wholeCompared).toBeGreaterThan(0);
  });

  test('C delivers what was not touched and nothing else, and sanitizers find nothing', () => {
    const program = compileFirmware({ main: 'test/recovery.c', sanitized: true });
    const found = JSON.parse(execFileSync(program, ['5', String(FRAMES), '4001'], { timeout: 240_000 }).toString()) as {
      readonly cases: number;
    };
    expect(found.cases).toBeGreaterThan(25_000);
  });
});

test('each byte of a frame replaced by each other one: the next frame is delivered, the damaged one never as another', () => {
  const random = new Random(3);
  const [before, middle, after] = [1, 2, 3].map((index) => frameNumbered(index, random)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  let tried = 0;
  for (let at = 0; at < middle.length; at += 1) {
    for (let xor = 1; xor < 256; xor += 1) {
      const damaged = middle.map((byte, i) => (i === at ? byte ^ xor : byte));
      const delivered = new FrameReceiver()
        .push(join(before, damaged, after))
        .flatMap((one) => (one.kind === 'frame' && !one.frame.sealed ? [numberIn(one.frame.body)] : []));
      tried += 1;
      if (delivered.join() !== '1,3') expect.fail(`byte ${at} xor ${xor}: delivered ${delivered.join()}`);
    }
  }
  expect(tried).toBe(255 * middle.length);
});

test('a line that never shows a delimiter is held in 271 bytes, and the frame after it is delivered', () => {
  const receiver = new FrameReceiver();
  const babble = new Uint8Array(100_000).fill(0x55);
  expect(receiver.push(babble)).toEqual([]);
  const received = receiver.push(frameNumbered(5, new Random(1)));
  expect(received.map((one) => (one.kind === 'frame' ? 'frame' : one.verdict))).toEqual(['long', 'frame']);
});

function numberIn(body: Uint8Array): number {
  return new DataView(body.buffer, body.byteOffset).getUint32(0, true);
}
