/**
 * Whether bytes are the body of a message (PROTOCOL.md sections 5 to 8). A wrong length is found before a wrong value; the C
 * side looks in the same order, and both are compared over damaged bytes.
 */
import { get16, get32, latin } from './bytes.ts';
import { ADDRESS_MAX, ADDRESS_NONE, BODY_BYTES_MAX } from './frame.ts';
import { CHANNELS_MAX, EVENT_HEAD_BYTES, EVENT_KINDS, OPEN_TYPES, SEALED_TYPES } from './types.ts';

export type BodyVerdict = 'ok' | 'type' | 'length' | 'value';

interface Row {
  readonly fromDevice: boolean;
  /** Absent when it varies. */
  readonly size?: number;
  readonly check?: (body: Uint8Array) => BodyVerdict;
}

const gateway = (size?: number, check?: Row['check']): Row => row(false, size, check);
const device = (size?: number, check?: Row['check']): Row => row(true, size, check);

function row(fromDevice: boolean, size: number | undefined, check: Row['check']): Row {
  return { fromDevice, ...(size !== undefined && { size }), ...(check !== undefined && { check }) };
}

const OPEN_ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [OPEN_TYPES.WHO, gateway(10, checkWho)],
  [OPEN_TYPES.HUSH, gateway(8, (body) => when(isIdentity(body)))],
  [OPEN_TYPES.ASSIGN, gateway(9, (body) => when(isIdentity(body) && isAddress(body[8])))],
  [OPEN_TYPES.HELLO, gateway(20, (body) => when(at(body, 0) !== 0 && at(body, 0) <= at(body, 1)))],
  [OPEN_TYPES.PROVE, gateway(16)],
  [OPEN_TYPES.HERE, device(14, checkHere)],
  [OPEN_TYPES.HUSHED, device(8, (body) => when(isIdentity(body)))],
  [OPEN_TYPES.ASSIGNED, device(9, (body) => when(isIdentity(body) && isAddress(body[8])))],
  [OPEN_TYPES.CHALLENGE, device(47, (body) => when(at(body, 0) !== 0 && isIdentity(body.subarray(3))))],
  [OPEN_TYPES.ATTENTION, device(0)],
  [OPEN_TYPES.REFUSED, device(3, (body) => when(at(body, 0) === 1 || at(body, 0) === 2))],
]);

const SEALED_ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [SEALED_TYPES.POLL, gateway(5, (body) => when(at(body, 4) >= 64 && at(body, 4) <= BODY_BYTES_MAX))],
  [SEALED_TYPES.CAPABILITIES, gateway(0)],
  [SEALED_TYPES.MEASURE, gateway(16)],
  [SEALED_TYPES.TIME, gateway(8)],
  [SEALED_TYPES.OPEN, gateway(15, (body) => when(at(body, 0) >= 1))],
  [SEALED_TYPES.SET_KEY, gateway(18, (body) => when(get16(body, 0) !== 0))],
  [SEALED_TYPES.SET_ADDRESS, gateway(1, (body) => when(isAddress(body[0])))],
  [SEALED_TYPES.COUNTERS, gateway(0)],
  [SEALED_TYPES.ECHO, gateway()],
  [SEALED_TYPES.READY, device(12)],
  [SEALED_TYPES.POLLED, device(undefined, checkPolled)],
  [SEALED_TYPES.CAPABLE, device(undefined, checkCapable)],
  [SEALED_TYPES.MEASURED, device(53, (body) => when(at(body, 4) === 1))],
  [SEALED_TYPES.TIMED, device(4)],
  [SEALED_TYPES.OPENED, device(2, (body) => when(at(body, 1) <= 5))],
  [SEALED_TYPES.KEY_SET, device(2, (body) => when(get16(body, 0) !== 0))],
  [SEALED_TYPES.ADDRESS_SET, device(1, (body) => when(isAddress(body[0])))],
  [SEALED_TYPES.COUNTED, device(undefined, (body) => (body.length < 40 || body.length % 4 !== 0 ? 'length' : 'ok'))],
  [SEALED_TYPES.ECHOED, device()],
  [SEALED_TYPES.FAILED, device(1, (body) => when(at(body, 0) >= 1 && at(body, 0) <= 4))],
]);

export function checkBody(sealed: boolean, fromDevice: boolean, type: number, body: Uint8Array): BodyVerdict {
  const found = (sealed ? SEALED_ROWS : OPEN_ROWS).get(type);
  if (found === undefined || found.fromDevice !== fromDevice) return 'type';
  if (found.size !== undefined && found.size !== body.length) return 'length';
  return found.check?.(body) ?? 'ok';
}

function checkWho(body: Uint8Array): BodyVerdict {
  const [flags = 0, bits = 0] = body;
  if (flags > 1 || bits > 64) return 'value';
  for (let i = 0; i < 8; i += 1) {
    const used = Math.min(8, Math.max(0, bits - 8 * i));
    if ((at(body, 2 + i) & (0xff >> used)) !== 0) return 'value';
  }
  return 'ok';
}

function checkHere(body: Uint8Array): BodyVerdict {
  const address = at(body, 8);
  return when(isIdentity(body) && (isAddress(address) || address === ADDRESS_NONE) && at(body, 13) !== 0);
}

function checkPolled(body: Uint8Array): BodyVerdict {
  if (body.length < 10) return 'length';
  const channels = at(body, 9);
  if (at(body, 8) > 7 || channels > CHANNELS_MAX) return 'value';
  const bitBytes = Math.ceil(channels / 8);
  let from = 10 + 2 * bitBytes;
  if (body.length < from) return 'length';
  const used = channels % 8;
  const beyond = (bits: number): boolean => used !== 0 && at(body, bits + (channels - used) / 8) >> used !== 0;
  if (beyond(10) || beyond(10 + bitBytes)) return 'value';
  let last = 0;
  while (from < body.length) {
    const left = body.length - from - EVENT_HEAD_BYTES;
    const size = at(body, from + 1);
    if (left < 0 || left < size) return 'length';
    const dataAt = from + EVENT_HEAD_BYTES;
    const event = checkEvent(at(body, from), body.subarray(dataAt, dataAt + size));
    if (event !== 'ok') return event;
    const number = get32(body, from + 2);
    if (number <= last) return 'value';
    last = number;
    from = dataAt + size;
  }
  // What is told has happened.
  return when(last < get32(body, 4));
}

function checkEvent(kind: number, data: Uint8Array): BodyVerdict {
  const size = data.length;
  const [first = 0, second = 0, third = 0] = data;
  const isChannel = first >= 1 && first <= CHANNELS_MAX;
  switch (kind) {
    case 0:
      return 'value';
    case EVENT_KINDS.door:
    case EVENT_KINDS.item:
      return size !== 2 ? 'length' : when(isChannel && second <= 1);
    case EVENT_KINDS.lock:
      return size !== 2 ? 'length' : when(isChannel && second <= 2);
    case EVENT_KINDS.weight:
      return size !== 6 ? 'length' : when(isChannel && second <= 1);
    case EVENT_KINDS.scan:
      return size < 4 || size > 203 ? 'length' : when(/^(?:\0{3}|\][!-~]{2})/.test(latin(data)));
    case EVENT_KINDS.keypad:
      return size < 2 || size > 17 ? 'length' : when(/^[0-9A-D*#]+$/.test(latin(data.subarray(1))));
    case EVENT_KINDS.tamper:
      return size !== 2 ? 'length' : when(second <= 1);
    case EVENT_KINDS.power:
      return size !== 3 ? 'length' : when(first <= 1 && second <= 1 && (third <= 100 || third === 255));
    default:
      return 'ok';
  }
}

function checkCapable(body: Uint8Array): BodyVerdict {
  let from = 0;
  while (from < body.length) {
    const size = at(body, from + 1);
    if (body.length - from < 2 || body.length - from - 2 < size) return 'length';
    const verdict = checkCapability(at(body, from), body.subarray(from + 2, from + 2 + size));
    if (verdict !== 'ok') return verdict;
    from += 2 + size;
  }
  return 'ok';
}

function checkCapability(tag: number, value: Uint8Array): BodyVerdict {
  const size = value.length;
  switch (tag) {
    case 0:
      return 'value';
    case 1:
      return size !== 2 ? 'length' : when(get16(value, 0) < 0x200);
    case 2:
      return size !== 1 ? 'length' : when(at(value, 0) <= CHANNELS_MAX);
    case 3:
      return size !== 1 ? 'length' : when(at(value, 0) >= 64 && at(value, 0) <= BODY_BYTES_MAX);
    case 4:
    case 8:
      return size !== 2 ? 'length' : 'ok';
    case 5:
      return size !== 2 ? 'length' : when(get16(value, 0) >= 5 && get16(value, 0) <= 1_000);
    case 6:
    case 7:
      return size < 1 || size > 32 ? 'length' : when(/^[ -~]+$/.test(latin(value)));
    default:
      return 'ok';
  }
}

function isIdentity(bytes: Uint8Array): boolean {
  const id = bytes.subarray(0, 8);
  return id.some((byte) => byte !== 0) && id.some((byte) => byte !== 0xff);
}

function isAddress(address = 0): boolean {
  return address >= 1 && address <= ADDRESS_MAX;
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function when(holds: boolean): BodyVerdict {
  return holds ? 'ok' : 'value';
}
