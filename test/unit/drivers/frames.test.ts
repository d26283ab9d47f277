import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { BOARD_FAMILIES } from '../../../src/edge/drivers/families.ts';
import type { Cut, FrameCutter } from '../../../src/edge/drivers/frame-cutter.ts';
import { kerongCutter } from '../../../src/edge/drivers/kerong-cu16/frames.ts';
import { xorCutter } from '../../../src/edge/drivers/xor-8a80/frames.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { bytesOf, groupReply, hexOf, kerongReply, summary, vectorsOf } from './support.ts';

const MUTATIONS = 100_000;

/** Boards 1 (24 channels), 2 (32) and 3 (16) are configured. */
const xor = (): FrameCutter => xorCutter((address) => [undefined, 3, 4, 2][address]);

const FAMILIES = [
  {
    name: 'xor_8a80',
    cutter: xor,
    // The 32-channel reply is printed for board 1; here board 1 has 24, and the cutter must see the size all the same.
    vectors: vectorsOf('xor_8a80').map((vector) => bytesOf(vector.hex)),
    more: [groupReply(1, 0x00, 0x33, 0xb2), groupReply(2, 0x80, 0x01, 0x33, 0x00), groupReply(3, 0x33, 0x33)],
    marks: [0x80, 0x81, 0x8a, 0x33, 0x01],
  },
  {
    name: 'kerong_cu16',
    cutter: kerongCutter,
    vectors: vectorsOf('kerong_cu16').map((vector) => bytesOf(vector.hex)),
    more: [kerongReply(0, 0x0303, 0x0303), kerongReply(15, 0x0203, 0x3502), kerongReply(1, 0x3002, 0x0335)],
    marks: [0x02, 0x03, 0x30, 0x35, 0x10],
  },
] as const;

function all(cutter: FrameCutter, ...chunks: readonly Uint8Array[]): readonly Cut[] {
  return [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.flush()];
}

describe.each(FAMILIES)('$name frames', ({ cutter, vectors, more, marks }) => {
  const sound = [...vectors, ...more];

  test('every published frame is one frame, to the byte', () => {
    expect(vectors.length).toBeGreaterThan(9);
    for (const frame of sound) expect(summary(all(cutter(), frame))).toEqual({ frames: [hexOf(frame)], skipped: {} });
  });

  test('frames that follow each other without a gap are all found', () => {
    const wire = concatBytes(...sound);
    expect(summary(all(cutter(), wire)).frames).toEqual(sound.map(hexOf));
  });

  test('how the line cuts the bytes changes nothing', () => {
    const noise = fc.oneof(fc.constantFrom(...marks), fc.nat(255));
    const piece = fc.oneof(
      fc.constantFrom(...sound),
      fc.array(noise, { minLength: 1, maxLength: 12 }).map((bytes) => Uint8Array.from(bytes)),
    );
    let frames = 0;
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(9), { maxLength: 40 }),
        (pieces, cuts) => {
          const wire = concatBytes(...pieces);
          const whole = summary(all(cutter(), wire));
          frames += whole.frames.length;
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const size of cuts) {
            chunks.push(wire.subarray(at, at + size));
            at += size;
          }
          expect(summary(all(cutter(), ...chunks, wire.subarray(at)))).toEqual(whole);
        },
      ),
      { numRuns: 500 },
    );
    expect(frames).toBeGreaterThan(500);
  });

  test('one byte at a time, no byte is held once a frame is complete and no byte is lost', () => {
    for (const frame of sound) {
      const cuts = all(cutter(), ...[...frame].map((byte) => Uint8Array.of(byte)));
      expect(summary(cuts)).toEqual({ frames: [hexOf(frame)], skipped: {} });
    }
  });

  test('a damaged frame hides no sound one behind it', () => {
    for (const frame of sound) {
      for (let bit = 0; bit < frame.length * 8; bit += 1) {
        const damaged = Uint8Array.from(frame);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const tail = sound[sound.length - 1] ?? frame;
        const found = summary(all(cutter(), concatBytes(damaged, Uint8Array.of(0xff, 0xff, 0xff, 0xff), tail))).frames;
        expect(found.at(-1), hexOf(damaged)).toBe(hexOf(tail));
      }
    }
  });

  test(`${MUTATIONS} mutated inputs: no throw, every byte accounted for, each skip reason and a frame reached`, () => {
    const random = new Random(8_080);
    const reached = new Set<string>();
    const line = cutter();
    for (let round = 0; round < MUTATIONS; round += 1) {
      const input = mutate(random, sound[random.below(sound.length)] ?? Uint8Array.of(), sound);
      const at = random.below(input.length + 1);
      const held = line.heldBytes;
      const cuts = [...line.push(input.subarray(0, at)), ...line.push(input.subarray(at))];
      if (random.below(4) === 0) cuts.push(...line.flush());
      let bytes = 0;
      for (const cut of cuts) {
        reached.add(cut.kind === 'frame' ? 'frame' : cut.reason);
        bytes += cut.kind === 'frame' ? cut.frame.length : cut.sizeBytes;
      }
      if (held + input.length !== bytes + line.heldBytes || line.heldBytes > 9) {
        expect.fail(`${hexOf(input)}: ${held} held before, ${bytes} told, ${line.heldBytes} held after`);
      }
    }
    expect([...reached].sort()).toEqual(['checksum', 'frame', 'length', 'noise']);
  });

  test('an hour of noise without a frame is a few words, and nothing is held', () => {
    const line = cutter();
    // 19,200 baud for an hour, in chunks of one second.
    const chunk = new Uint8Array(1_920).fill(0xff);
    let skipped = 0;
    let cutsMax = 0;
    for (let second = 0; second < 3_600; second += 1) {
      const cuts = line.push(chunk);
      cutsMax = Math.max(cutsMax, cuts.length);
      for (const cut of cuts) if (cut.kind === 'skipped') skipped += cut.sizeBytes;
    }
    expect(skipped).toBe(3_600 * 1_920);
    expect(cutsMax).toBe(1);
    expect(line.heldBytes).toBe(0);
  });
});

test('03 inside data ends no KERONG frame', () => {
  const frame = kerongReply(3, 0x0303, 0x0303);
  expect(hexOf(frame)).toBe('02 30 35 03 03 03 03 03 76');
  expect(summary(all(kerongCutter(), frame)).frames).toEqual([hexOf(frame)]);
});

test('a 24-channel reply that begins like the request is one frame, not an echo and noise', () => {
  const reply = groupReply(1, 0x00, 0x33, 0xb2);
  expect(hexOf(reply)).toBe('80 01 00 33 B2 33 33');
  expect(summary(all(xor(), reply)).frames).toEqual([hexOf(reply)]);
  const echo = bytesOf('80 01 00 33 B2');
  expect(summary(all(xor(), echo, reply)).frames).toEqual([hexOf(echo), hexOf(reply)]);
});

test('each family is in the table once', () => {
  expect(BOARD_FAMILIES.map((family) => family.name)).toEqual([
    'xor_8a80',
    'kerong_cu16',
    'kerong_cu48',
    'cu48_modbus',
    'modbus_io',
    'wkly',
    'winnsen',
  ]);
});
