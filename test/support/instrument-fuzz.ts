/**
 * Mutated inputs for every decoder of scanners, scales and receivers: nothing throws, nothing grows, and what is read of a
 * damaged line is read within bounds. Shared by the unit tests (short) and the campaign (1,000,000 each).
 */
import { readFileSync } from 'node:fs';
import { assert } from '../../src/base/assert.ts';
import { utf8 } from '../../src/base/bytes.ts';
import {
  describeDatalogic,
  describeHoneywell,
  describeOpticon,
} from '../../src/edge/drivers/describe/host-commands.ts';
import { describeNewland } from '../../src/edge/drivers/describe/newland.ts';
import { describeOsdp } from '../../src/edge/drivers/describe/osdp.ts';
import type { FrameCutter } from '../../src/edge/drivers/frame-cutter.ts';
import type { DescribeFrame } from '../../src/edge/drivers/frame-description.ts';
import { describeSics } from '../../src/edge/drivers/mt-sics/describe.ts';
import { parseSics, sicsGrams } from '../../src/edge/drivers/mt-sics/messages.ts';
import { describeNmea } from '../../src/edge/drivers/nmea/describe.ts';
import { FIRST_EPOCH, stepEpoch } from '../../src/edge/drivers/nmea/epoch.ts';
import { parseSentence, positionIn } from '../../src/edge/drivers/nmea/sentence.ts';
import { wholeImage } from '../../src/edge/drivers/photo/image.ts';
import { describeSsi } from '../../src/edge/drivers/ssi-scanner/describe.ts';
import { packetCutter, parsePacket } from '../../src/edge/drivers/ssi-scanner/packets.ts';
import { INITIAL_SESSION, NAKS_MAX, stepSession } from '../../src/edge/drivers/ssi-scanner/session.ts';
import { lineText, textLineCutter } from '../../src/edge/drivers/text-lines.ts';
import { identityIn, MAKES } from '../../src/edge/drivers/text-scanner/makes.ts';
import { describeToledo } from '../../src/edge/drivers/toledo-continuous/describe.ts';
import { parseToledo, toledoCutter, toledoGrams } from '../../src/edge/drivers/toledo-continuous/frames.ts';
import { openPhoto } from '../../src/edge/photos/sealed-photo.ts';
import { mutate, Random } from './mutate.ts';

const GRAMS_MAX = 9_999_999;
const CODE_BYTES_MAX = 2_048;

export interface Fuzzed {
  readonly inputs: number;
  /** Inputs out of which something was read. */
  readonly read: number;
}

export type FuzzedDecoder = (random: Random, count: number) => Fuzzed;

function seedsOf(family: string, vectors = 'instrument-frames.json'): readonly Uint8Array[] {
  const file = new URL(`../vectors/${vectors}`, import.meta.url);
  const { frames } = JSON.parse(readFileSync(file, 'utf8')) as { frames: { family: string; hex: string }[] };
  return frames
    .filter((frame) => frame.family === family)
    .map(({ hex }) => Uint8Array.from(hex.split(' ').map((byte) => Number.parseInt(byte, 16))));
}

function nmeaSeeds(): readonly Uint8Array[] {
  const file = new URL('../vectors/nmea-logs.json', import.meta.url);
  const { logs } = JSON.parse(readFileSync(file, 'utf8')) as { logs: { sentences: string[] }[] };
  return logs.flatMap(({ sentences }) => sentences.map((text) => utf8(`${text}\r\n`)));
}

/** One long line, a mutated frame after the other, through one cutter: so that what is held could grow. */
function overCutter(
  seeds: readonly Uint8Array[],
  cutter: FrameCutter,
  heldMax: number,
  describe: DescribeFrame,
  heed: (frame: Uint8Array) => void,
): FuzzedDecoder {
  return (random, count) => {
    let read = 0;
    for (let i = 0; i < count; i += 1) {
      const input = mutate(random, seeds[i % seeds.length] ?? new Uint8Array(0), seeds);
      describe(input);
      const cuts = i % 16 === 15 ? [...cutter.push(input), ...cutter.flush()] : cutter.push(input);
      assert(cutter.heldBytes <= heldMax, `a cutter holds ${cutter.heldBytes} bytes`);
      for (const cut of cuts) {
        if (cut.kind !== 'frame') continue;
        read += 1;
        heed(cut.frame);
      }
    }
    return { inputs: count, read };
  };
}

function ssi(): FuzzedDecoder {
  let session = INITIAL_SESSION;
  return overCutter(seedsOf('ssi'), packetCutter(), 257, describeSsi, (frame) => {
    const step = stepSession(session, { kind: 'packet', packet: parsePacket(frame) }, CODE_BYTES_MAX);
    session = step.state;
    assert(session.naks <= NAKS_MAX, 'more refusals than may be');
    assert((session.assembly?.bytes.length ?? 0) <= CODE_BYTES_MAX + 257, 'a code that grows');
    for (const output of step.outputs)
      assert(output.kind !== 'scan' || output.text.length <= CODE_BYTES_MAX, 'too long');
  });
}

function checkGrams(grams: number | undefined): void {
  assert(grams === undefined || (Number.isInteger(grams) && Math.abs(grams) <= GRAMS_MAX), 'no weight');
}

function sics(): FuzzedDecoder {
  return overCutter(seedsOf('mt_sics'), textLineCutter(80), 80, describeSics, (frame) => {
    const message = parseSics(lineText(frame));
    if (message.kind === 'weight') checkGrams(sicsGrams(message));
  });
}

function toledo(): FuzzedDecoder {
  return overCutter(seedsOf('toledo'), toledoCutter(true), 18, describeToledo, (frame) =>
    checkGrams(toledoGrams(parseToledo(frame))),
  );
}

function nmea(): FuzzedDecoder {
  let epoch = FIRST_EPOCH;
  return overCutter(nmeaSeeds(), textLineCutter(128), 128, describeNmea, (frame) => {
    const sentence = parseSentence(lineText(frame));
    const said = sentence.ok ? positionIn(sentence.value) : undefined;
    if (said === undefined) return;
    epoch = stepEpoch(epoch, said).epoch;
    assert(epoch.said.length <= 2, 'an epoch that grows');
    const { fix } = said;
    if (fix === undefined) return;
    assert(Math.abs(fix.latitude) <= 90e6 && Math.abs(fix.longitude) <= 180e6, 'no place on earth');
  });
}

/** Answers of scanners, images, and stored photos: all that reads bytes and is no line. */
function others(): FuzzedDecoder {
  const answers = [
    'Xenon 1900\r\nREVINF\x06.',
    '\x01\x02Magellan\x03\x04',
    '\x02\x010000#QRYSYSNLS\x06;\x03',
    'NL1006\r',
  ];
  const png = Uint8Array.of(
    0x89,
    0x50,
    0x4e,
    0x47,
    0x0d,
    0x0a,
    0x1a,
    0x0a,
    0,
    0,
    0,
    0,
    0x49,
    0x45,
    0x4e,
    0x44,
    0xae,
    0x42,
    0x60,
    0x82,
  );
  const stored = utf8(`latchkey-photo v1 image/jpeg 4 2026-11-22T09:00:00.123Z\n${'x'.repeat(32)}`);
  const seeds = [...answers.map(utf8), png, stored];
  const key = new Uint8Array(32);
  return (random, count) => {
    let read = 0;
    for (let i = 0; i < count; i += 1) {
      const input = mutate(random, seeds[i % seeds.length] ?? png, seeds);
      for (const make of Object.values(MAKES)) if (identityIn(make, input).kind === 'identity') read += 1;
      if (wholeImage(input) !== undefined) read += 1;
      assert(!openPhoto(key, key, input).ok, 'a photo that nobody sealed');
    }
    return { inputs: count, read };
  };
}

/** What has no driver, and is read by `latchkey decode` alone. */
const READERS: Readonly<Record<string, DescribeFrame>> = {
  osdp: describeOsdp,
  newland: describeNewland,
  honeywell: describeHoneywell,
  opticon: describeOpticon,
  datalogic: describeDatalogic,
};
const VALUES_MAX = 256;

/** One frame in four is left whole, so that what is sound is reached, too. */
function reader(family: string, describe: DescribeFrame): FuzzedDecoder {
  const seeds = seedsOf(family, 'reader-frames.json');
  assert(seeds.length > 0, `no frame of ${family}`);
  return (random, count) => {
    let read = 0;
    for (let i = 0; i < count; i += 1) {
      const seed = seeds[i % seeds.length] ?? new Uint8Array(0);
      const input = random.below(4) === 0 ? seed : mutate(random, seed, seeds);
      const said = describe(input);
      if (!said.ok) {
        assert(said.detail.length < 1_000, `a refusal of ${said.detail.length} letters`);
        continue;
      }
      read += 1;
      const { registers = [], locks = [], scan } = said.value;
      assert(registers.length + locks.length <= VALUES_MAX, `${registers.length} values out of ${input.length} bytes`);
      assert((scan?.text.length ?? 0) <= input.length, 'a text longer than its frame');
    }
    return { inputs: count, read };
  };
}

export const INSTRUMENT_DECODERS: Readonly<Record<string, () => FuzzedDecoder>> = {
  ssi,
  sics,
  toledo,
  nmea,
  others,
  ...Object.fromEntries(Object.entries(READERS).map(([family, describe]) => [family, () => reader(family, describe)])),
};

export function fuzzInstrument(name: string, count: number, seed: number): Fuzzed {
  const make = INSTRUMENT_DECODERS[name];
  assert(make !== undefined, `no decoder ${name}`);
  return make()(new Random(seed), count);
}
