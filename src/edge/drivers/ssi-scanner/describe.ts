/** What one SSI packet says, in either direction. */
import { utf8Text } from '../../../base/bytes.ts';
import { accept, refuse } from '../../../base/result.ts';
import { recogniseCode } from '../../../evidence/event/recognise-code.ts';
import type { DescribeFrame, FrameDescription, FrameEffect } from '../frame-description.ts';
import { splitDecoded, symbologyName } from './code-types.ts';
import { checksum, OPCODE, type Packet, packetFlaw, parsePacket, SOURCE_HOST, storedChecksum } from './packets.ts';

const READS: ReadonlySet<number> = new Set([
  OPCODE.REQUEST_REVISION,
  OPCODE.PARAM_REQUEST,
  OPCODE.CMD_ACK,
  OPCODE.CMD_NAK,
  OPCODE.MULTIPACKET_ACK,
]);

export const describeSsi: DescribeFrame = (frame) => {
  const flaw = packetFlaw(frame);
  if (flaw === 'checksum') {
    const expected = checksum(frame.subarray(0, frame.length - 2));
    return refuse(flaw, `expected checksum ${hex4(expected)}, found ${hex4(storedChecksum(frame))}`);
  }
  if (flaw === 'length') {
    return refuse(flaw, `expected ${(frame[0] ?? 0) + 2} bytes as the first byte says, found ${frame.length}`);
  }
  if (flaw === 'shape') return refuse(flaw, 'expected a known opcode and source 00 or 04');
  return accept(describePacket(parsePacket(frame)));
};

function describePacket(packet: Packet): FrameDescription {
  const isRequest = packet.source === SOURCE_HOST;
  const effect: FrameEffect = isRequest && !READS.has(packet.opcode) ? 'sets' : 'reads';
  const base = { direction: isRequest ? 'request' : 'reply', effect, command: commandName(packet.opcode) } as const;
  const [codeType, ...rest] = packet.data;
  if (packet.opcode === OPCODE.DECODE_DATA && codeType !== undefined) {
    const scan = describeScan(codeType, Uint8Array.from(rest));
    return scan === undefined ? base : { ...base, scan };
  }
  if (packet.opcode === OPCODE.REPLY_REVISION) {
    const value = utf8Text(packet.data);
    return value === undefined ? base : { ...base, registers: [{ value }] };
  }
  if (packet.opcode === OPCODE.CMD_NAK && codeType !== undefined) return { ...base, registers: [{ value: codeType }] };
  return base;
}

function describeScan(codeType: number, bytes: Uint8Array): FrameDescription['scan'] {
  const { aim, raw } = splitDecoded(codeType, bytes);
  const code = recogniseCode(raw, aim);
  if (code.text === undefined) return undefined;
  const best = code.identifiers[0];
  const check = best === undefined ? {} : { check_digit_ok: best.certainty === 'check_digit' };
  return { symbology: symbologyName(codeType), text: code.text, ...check };
}

function commandName(opcode: number): string {
  const found = Object.entries(OPCODE).find(([, value]) => value === opcode);
  return found?.[0].toLowerCase() ?? 'unknown';
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0').toUpperCase();
}
