/**
 * What one captured frame of the open wire says, without any key: of a sealed one who speaks and its number. Pure, for people who
 * look at a line.
 */
import { get16, get32, toHex } from './bytes.ts';
import { checkBody } from './check-body.ts';
import { type Damage, type Frame, readFrame } from './frame.ts';
import { OPEN_TYPES, typeName } from './types.ts';

export type WireDescription =
  | {
      readonly ok: true;
      readonly fromDevice: boolean;
      readonly address: number;
      readonly sealed: boolean;
      /** Absent for a sealed frame. */
      readonly name?: string;
      readonly fields: readonly { readonly name: string; readonly value: number | string }[];
    }
  | { readonly ok: false; readonly reason: Damage | 'several' | 'body'; readonly detail: string };

/** One frame, with its delimiters or without them. */
export function describeFrame(bytes: Uint8Array): WireDescription {
  let from = 0;
  let to = bytes.length;
  while (from < to && bytes[from] === 0) from += 1;
  while (to > from && bytes[to - 1] === 0) to -= 1;
  const coded = bytes.subarray(from, to);
  if (coded.length > 0 && coded.includes(0)) {
    return { ok: false, reason: 'several', detail: 'expected one frame, found a delimiter 00 within it' };
  }
  const frame = readFrame(coded);
  return typeof frame === 'string'
    ? { ok: false, reason: frame, detail: `expected a frame of the open wire, found ${DAMAGE[frame]}` }
    : describe(frame);
}

const DAMAGE: Readonly<Record<Damage, string>> = {
  long: 'more bytes than a frame has',
  cobs: 'bytes that are not COBS',
  short: 'fewer bytes than a frame has',
  crc: 'another CRC-32 than its bytes give',
  version: 'another version of the protocol',
  reserved: 'bits set that are reserved',
  address: 'an address that nobody has',
};

function describe(frame: Frame): WireDescription {
  const { fromDevice, address, sealed } = frame;
  if (sealed) {
    const fields = [
      { name: 'number', value: frame.number },
      { name: 'encrypted_bytes', value: frame.text.length },
      { name: 'tag', value: toHex(frame.tag) },
    ];
    return { ok: true, fromDevice, address, sealed, fields };
  }
  const name = typeName(false, frame.type) ?? `type ${frame.type.toString(16)}`;
  const verdict = checkBody(false, fromDevice, frame.type, frame.body);
  if (verdict !== 'ok') return { ok: false, reason: 'body', detail: `${name}: its body is wrong (${verdict})` };
  return { ok: true, fromDevice, address, sealed, name, fields: fieldsOf(frame.type, frame.body) };
}

function fieldsOf(type: number, body: Uint8Array): readonly { name: string; value: number | string }[] {
  const identity = { name: 'identity', value: toHex(body.subarray(0, 8)) };
  switch (type) {
    case OPEN_TYPES.WHO:
      return [
        { name: 'begin', value: body[0] ?? 0 },
        { name: 'bits', value: body[1] ?? 0 },
        { name: 'prefix', value: toHex(body.subarray(2)) },
      ];
    case OPEN_TYPES.HUSH:
    case OPEN_TYPES.HUSHED:
      return [identity];
    case OPEN_TYPES.ASSIGN:
    case OPEN_TYPES.ASSIGNED:
      return [identity, { name: 'address', value: body[8] ?? 0 }];
    case OPEN_TYPES.HELLO:
      return [
        { name: 'versions', value: `${body[0]} to ${body[1]}` },
        { name: 'key', value: get16(body, 2) },
        { name: 'rnd_g', value: toHex(body.subarray(4)) },
      ];
    case OPEN_TYPES.PROVE:
      return [{ name: 'mac_g', value: toHex(body) }];
    case OPEN_TYPES.HERE:
      return [identity, { name: 'address', value: body[8] ?? 0 }, { name: 'boot', value: get32(body, 9) }];
    case OPEN_TYPES.CHALLENGE:
      return [
        { name: 'version', value: body[0] ?? 0 },
        { name: 'key', value: get16(body, 1) },
        { name: 'identity', value: toHex(body.subarray(3, 11)) },
        { name: 'boot', value: get32(body, 11) },
        { name: 'rnd_d', value: toHex(body.subarray(15, 31)) },
        { name: 'mac_d', value: toHex(body.subarray(31)) },
      ];
    case OPEN_TYPES.REFUSED:
      return [
        { name: 'code', value: body[0] ?? 0 },
        { name: 'key_in_use', value: get16(body, 1) },
      ];
    default:
      return [];
  }
}
