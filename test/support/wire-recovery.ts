/**
 * The resynchronisation bound of PROTOCOL.md section 2 for the TypeScript side: bursts of 1 to 32 bytes at positions of a stream of
 * frames. A receiver holds nothing between two frames, which is asserted, so only the frames around a burst are decoded
 * anew; a part of the windows is compared with the whole stream. The same in C: firmware-protocol/c/test/recovery.c.
 */
import { join, put32, same } from '../../firmware-protocol/codec/bytes.ts';
import { FrameReceiver, lineOf, openContent } from '../../firmware-protocol/codec/frame.ts';
import { Random } from './mutate.ts';
import { sealedLine } from './wire-verdict.ts';

export const BURST_MAX = 32;
/** Whole frames on each side of a burst that are decoded with it. */
const AROUND = 2;

const PATTERNS = ['changed', 'one bit of each', 'inverted', 'zeros', 'ff', '01', 'deleted', 'inserted', '00s'] as const;
type Pattern = (typeof PATTERNS)[number];

interface Stream {
  readonly lines: readonly Uint8Array[];
  /** Where each begins, and the end. */
  readonly starts: readonly number[];
  readonly bytes: Uint8Array;
  /** Drawn once: drawing would cost more than decoding. */
  readonly noise: Uint8Array;
}

export interface RecoveryFigures {
  readonly bytes: number;
  readonly cases: number;
  readonly wholeCompared: number;
}

interface Burst {
  readonly how: Pattern;
  readonly at: number;
  readonly size: number;
}

/** Throws at the first frame that is missing or was not sent. Each place is damaged in `patterns` ways, in turns. */
export function recover(options: {
  readonly seed: number;
  readonly frames: number;
  readonly stride: number;
  readonly patterns: number;
  readonly wholeEvery: number;
}): RecoveryFigures {
  const random = new Random(options.seed);
  const stream = streamOf(options.frames + AROUND, random);
  const end = stream.starts[options.frames] ?? 0;
  let cases = 0;
  let wholeCompared = 0;
  let around = 0;
  for (let at = 0; at < end; at += options.stride) {
    while ((stream.starts[around + 1] ?? end) <= at) around += 1;
    for (let size = 1; size <= BURST_MAX && at + size <= end; size += 1) {
      for (let i = 0; i < options.patterns; i += 1) {
        const how = PATTERNS[cases % PATTERNS.length] ?? 'changed';
        cases += 1;
        const isWhole = cases % options.wholeEvery === 0;
        if (isWhole) wholeCompared += 1;
        check(stream, around, { how, at, size }, random, isWhole);
      }
    }
  }
  return { bytes: end, cases, wholeCompared };
}

/** Open and sealed in turns, of many sizes; a third of the fillings is mostly zeros, which COBS codes otherwise. */
function streamOf(frames: number, random: Random): Stream {
  const lines = Array.from({ length: frames }, (_, i) => {
    const size = i % 97 === 0 ? 230 + random.below(16) : random.below(40);
    const filling = random.bytes(size).map((byte) => (i % 3 === 0 && byte % 4 !== 0 ? 0 : byte));
    const body = join(put32(i), filling);
    return i % 2 === 0 ? lineOf(openContent(true, 7, 0x7e, body)) : sealedLine(true, 7, i, body);
  });
  const starts = [0];
  for (const line of lines) starts.push((starts.at(-1) ?? 0) + line.length);
  return { lines, starts, bytes: join(...lines), noise: random.bytes(65_536) };
}

function check(stream: Stream, around: number, burst: Burst, random: Random, isWhole: boolean): void {
  const { starts, lines, bytes } = stream;
  const first = Math.max(0, around - AROUND);
  let last = around;
  while (last < lines.length && (starts[last] ?? 0) < burst.at + burst.size) last += 1;
  last = Math.min(lines.length, last + AROUND);
  const from = starts[first] ?? 0;
  const noiseAt = random.below(stream.noise.length - BURST_MAX);
  const noise = stream.noise.subarray(noiseAt, noiseAt + BURST_MAX);
  const window = damaged(bytes.subarray(from, starts[last]), burst.at - from, burst, noise);
  const delivered = deliver(window, lines, first, last, burst);
  for (let i = first; i < last; i += 1) {
    if (!delivered.includes(i) && !isTouched(stream, i, burst, window, from)) fail('a frame is missing', burst);
  }
  if (!isWhole) return;
  const all = deliver(damaged(bytes, burst.at, burst, noise), lines, 0, lines.length, burst);
  const outside = lines.flatMap((_, i) => (i < first || i >= last ? [i] : []));
  const expected = [...outside, ...delivered].sort((a, b) => a - b);
  if (all.join() !== expected.join()) fail('the window and the whole stream differ', burst);
}

/** Numbers of the frames that come out, in their order. */
function deliver(
  window: Uint8Array,
  lines: readonly Uint8Array[],
  first: number,
  last: number,
  burst: Burst,
): number[] {
  const receiver = new FrameReceiver();
  const delivered: number[] = [];
  let next = first;
  for (const received of receiver.push(window)) {
    if (received.kind === 'damaged') continue;
    let found = next;
    while (found < last && !same(lines[found] ?? received.line.subarray(0, 0), received.line)) found += 1;
    if (found === last) fail('what was not sent, or not in this order, was delivered', burst);
    delivered.push(found);
    next = found + 1;
  }
  if (receiver.heldBytes !== 0) fail('the receiver remembers something', burst);
  return delivered;
}

function damaged(bytes: Uint8Array, at: number, { how, size }: Burst, noise: Uint8Array): Uint8Array {
  if (how === 'deleted') return join(bytes.subarray(0, at), bytes.subarray(at + size));
  if (how === 'inserted' || how === '00s') {
    const put = how === '00s' ? new Uint8Array(size) : noise.subarray(0, size);
    return join(bytes.subarray(0, at), put, bytes.subarray(at));
  }
  const out = bytes.slice();
  for (let i = 0; i < size; i += 1) out[at + i] = altered(out[at + i] ?? 0, how, noise[i] ?? 0);
  return out;
}

function altered(byte: number, how: Pattern, noise: number): number {
  switch (how) {
    case 'changed':
      return byte ^ (noise === 0 ? 1 : noise);
    case 'one bit of each':
      return byte ^ (1 << (noise & 7));
    case 'inverted':
      return byte ^ 0xff;
    case 'zeros':
      return 0;
    default:
      return how === 'ff' ? 0xff : 1;
  }
}

function isTouched({ starts, bytes }: Stream, frame: number, burst: Burst, window: Uint8Array, from: number): boolean {
  const { how, at, size } = burst;
  const start = starts[frame] ?? 0;
  const end = starts[frame + 1] ?? 0;
  if (how === 'inserted' || how === '00s') return at > start && at < end;
  if (at >= end || at + size <= start) return false;
  if (how === 'deleted') return true;
  for (let i = Math.max(at, start); i < Math.min(at + size, end); i += 1) {
    if (window[i - from] !== bytes[i]) return true;
  }
  return false;
}

function fail(what: string, { how, at, size }: Burst): never {
  throw new Error(`${what}: ${how}, ${size} bytes at ${at}`);
}
