/**
 * Bytes for both sides of the open wire to judge: messages of every type, sound ones and such as are wrong at every depth (on the line,
 * under a sound CRC, under a true tag). Seeded, so that a difference repeats.
 */
import { ascii, join, put16, put32 } from '../../firmware-protocol/codec/bytes.ts';
import { cobsDecode } from '../../firmware-protocol/codec/cobs.ts';
import { lineOf, openContent } from '../../firmware-protocol/codec/frame.ts';
import { OPEN_TYPES, SEALED_TYPES } from '../../firmware-protocol/codec/types.ts';
import { mutate, type Random } from './mutate.ts';
import { IDENTITY } from './wire-bench.ts';
import { sealedLine } from './wire-verdict.ts';

interface Example {
  readonly sealed: boolean;
  readonly fromDevice: boolean;
  readonly type: number;
  readonly body: Uint8Array;
}

const zeros = (size: number): Uint8Array => new Uint8Array(size);

function event(kind: number, number: number, ...data: readonly number[]): Uint8Array {
  return join(Uint8Array.of(kind, data.length), put32(number), put32(77), Uint8Array.from(data));
}

const EVENTS = [
  event(1, 1, 3, 1),
  event(2, 2, 3, 0),
  event(3, 3, 1, 1, 0x10, 0x27, 0, 0),
  event(4, 5, ...ascii(']C1'), ...ascii('00340123450000000015')),
  event(5, 6, 1, ...ascii('12#')),
  event(6, 9, 1, 1),
  event(7, 10, 0, 0, 255),
  event(8, 11, 1, 2),
  event(77, 12, 1, 2, 3),
];

const POLLED = join(put32(5_000), put32(13), Uint8Array.of(0, 12), zeros(4), ...EVENTS);
const CAPABLE = join(
  Uint8Array.of(1, 2, 0xff, 0, 2, 1, 12, 3, 1, 250, 4, 2, 30, 0, 5, 2, 50, 0, 6, 5),
  ascii('1.2.3'),
  Uint8Array.of(7, 2),
  ascii('m1'),
  Uint8Array.of(8, 2, 2, 0, 99, 1, 0),
);

function bodiesOf(): readonly Example[] {
  const open = (fromDevice: boolean, type: number, body: Uint8Array): Example => ({
    sealed: false,
    fromDevice,
    type,
    body,
  });
  const sealed = (fromDevice: boolean, type: number, body: Uint8Array): Example => ({
    sealed: true,
    fromDevice,
    type,
    body,
  });
  return [
    open(false, OPEN_TYPES.WHO, join(Uint8Array.of(1, 12, 0x4c, 0x40), zeros(6))),
    open(false, OPEN_TYPES.HUSH, IDENTITY),
    open(false, OPEN_TYPES.ASSIGN, join(IDENTITY, Uint8Array.of(9))),
    open(false, OPEN_TYPES.HELLO, join(Uint8Array.of(1, 1), put16(3), zeros(16).fill(1))),
    open(false, OPEN_TYPES.PROVE, zeros(16).fill(2)),
    open(true, OPEN_TYPES.HERE, join(IDENTITY, Uint8Array.of(9), put32(5), Uint8Array.of(1))),
    open(true, OPEN_TYPES.HUSHED, IDENTITY),
    open(true, OPEN_TYPES.ASSIGNED, join(IDENTITY, Uint8Array.of(9))),
    open(true, OPEN_TYPES.CHALLENGE, join(Uint8Array.of(1), put16(3), IDENTITY, put32(5), zeros(32).fill(3))),
    open(true, OPEN_TYPES.ATTENTION, zeros(0)),
    open(true, OPEN_TYPES.REFUSED, Uint8Array.of(2, 3, 0)),
    sealed(false, SEALED_TYPES.POLL, join(put32(1), Uint8Array.of(250))),
    sealed(false, SEALED_TYPES.CAPABILITIES, zeros(0)),
    sealed(false, SEALED_TYPES.MEASURE, zeros(16)),
    sealed(false, SEALED_TYPES.TIME, zeros(8)),
    sealed(false, SEALED_TYPES.OPEN, join(Uint8Array.of(1), put16(200), put32(9), IDENTITY)),
    sealed(false, SEALED_TYPES.SET_KEY, join(put16(4), zeros(16))),
    sealed(false, SEALED_TYPES.SET_ADDRESS, Uint8Array.of(8)),
    sealed(false, SEALED_TYPES.COUNTERS, zeros(0)),
    sealed(false, SEALED_TYPES.ECHO, zeros(250)),
    sealed(false, SEALED_TYPES.ECHO, zeros(250).fill(255)),
    sealed(true, SEALED_TYPES.READY, join(put32(5), put32(1_000), put32(1))),
    sealed(true, SEALED_TYPES.POLLED, POLLED),
    sealed(true, SEALED_TYPES.POLLED, join(put32(5_000), put32(1), Uint8Array.of(0, 64), zeros(16).fill(255))),
    sealed(true, SEALED_TYPES.CAPABLE, CAPABLE),
    sealed(true, SEALED_TYPES.MEASURED, join(put32(5), Uint8Array.of(1), zeros(48))),
    sealed(true, SEALED_TYPES.TIMED, put32(1_000)),
    sealed(true, SEALED_TYPES.OPENED, Uint8Array.of(1, 0)),
    sealed(true, SEALED_TYPES.KEY_SET, put16(4)),
    sealed(true, SEALED_TYPES.ADDRESS_SET, Uint8Array.of(8)),
    sealed(true, SEALED_TYPES.COUNTED, zeros(40)),
    sealed(true, SEALED_TYPES.ECHOED, zeros(3)),
    sealed(true, SEALED_TYPES.FAILED, Uint8Array.of(1)),
  ];
}

const EXAMPLES = bodiesOf();
const LINES = EXAMPLES.map((example, i) => lineFor(example, example.body, i));
const BODIES = EXAMPLES.map(({ body }) => body);

/** Sound frames of every type, in both directions. */
export function soundLines(): readonly Uint8Array[] {
  return LINES;
}

function lineFor({ sealed, fromDevice, type }: Example, body: Uint8Array, number: number): Uint8Array {
  const plain = join(Uint8Array.of(type), body);
  if (sealed) return sealedLine(fromDevice, 7, number, plain);
  return lineOf(openContent(fromDevice, fromDevice || type >= OPEN_TYPES.HELLO ? 7 : 255, type, body));
}

export function mutatedLine(random: Random): Uint8Array {
  const pick = random.below(EXAMPLES.length);
  const example = EXAMPLES[pick] ?? EXAMPLES[0];
  const line = LINES[pick] ?? new Uint8Array(0);
  if (example === undefined) return line;
  switch (random.below(4)) {
    case 0:
      return join(mutate(random, line, LINES), Uint8Array.of(0));
    case 1: {
      const content = cobsDecode(line.subarray(1, -1))?.slice(0, -4) ?? new Uint8Array(0);
      return lineOf(mutate(random, content, LINES).subarray(0, 300));
    }
    case 2: {
      const body = mutate(random, example.body, BODIES).subarray(0, 255);
      return lineFor(example, body, random.below(3));
    }
    default: {
      const type = random.below(8) === 0 ? random.below(256) : example.type;
      const body = mutate(random, example.body, BODIES).subarray(0, 250);
      return join(
        line,
        lineFor({ ...example, type, fromDevice: (random.below(9) === 0) !== example.fromDevice }, body, 1),
      );
    }
  }
}
