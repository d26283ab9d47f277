/**
 * What to do about each packet of an SSI scanner. Pure.
 *
 * The scanner repeats a packet, with the retransmit bit set, until it hears an acknowledgement or gives up. A repetition
 * of what was taken is acknowledged again and reported once; after damage the same content may be another scan, and goes
 * on as one. Acknowledgements are never acknowledged, and no more than NAKS_MAX refusals follow each other: two ends that
 * refuse each other's noise would never stop.
 */
import { concatBytes, equalBytes, utf8Text } from '../../../base/bytes.ts';
import {
  formatPacket,
  NAK_CONTEXT,
  NAK_RESEND,
  OPCODE,
  type Packet,
  SOURCE_DECODER,
  SOURCE_HOST,
  STATUS_CONTINUED,
  STATUS_RETRANSMIT,
} from './packets.ts';

export const NAKS_MAX = 3;

interface Assembly {
  readonly codeType: number;
  /** Of the segment that comes next; for continued DECODE_DATA it stays 0. */
  readonly next: number;
  /** How many bytes the first segment promised. */
  readonly sizeBytes: number | undefined;
  readonly bytes: Uint8Array;
}

export interface SessionState {
  /** Code type and data of the scan taken last. */
  readonly taken: Uint8Array | undefined;
  readonly damagedSince: boolean;
  readonly naks: number;
  readonly assembly: Assembly | undefined;
}

export const INITIAL_SESSION: SessionState = {
  taken: undefined,
  damagedSince: false,
  naks: 0,
  assembly: undefined,
};

export type SessionInput = { readonly kind: 'packet'; readonly packet: Packet } | { readonly kind: 'damaged' };

export type SessionOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'scan'; readonly codeType: number; readonly text: Uint8Array; readonly tooLong: boolean }
  | { readonly kind: 'identity'; readonly text: string }
  | { readonly kind: 'count'; readonly what: 'repeated' | 'echo' | 'refused' };

export interface SessionStep {
  readonly state: SessionState;
  readonly outputs: readonly SessionOutput[];
}

const ACK: SessionOutput = send(formatPacket(OPCODE.CMD_ACK, SOURCE_HOST, 0));
const SEGMENT_ACK: SessionOutput = send(formatPacket(OPCODE.MULTIPACKET_ACK, SOURCE_HOST, 0));
/** Segment number, DECODE_DATA, source, status, length, code type, one byte of unknown use, size. */
const SEGMENT_HEAD_BYTES = 10;

/** `sizeMax` bounds what is kept of a code in several packets. */
export function stepSession(state: SessionState, input: SessionInput, sizeMax: number): SessionStep {
  if (input.kind === 'damaged') return refuse({ ...state, damagedSince: true }, NAK_RESEND);
  const { packet } = input;
  if (packet.source === SOURCE_HOST) return { state, outputs: [{ kind: 'count', what: 'echo' }] };
  const heard: SessionState = { ...state, naks: 0 };
  switch (packet.opcode) {
    case OPCODE.CMD_ACK:
    case OPCODE.CMD_NAK:
      return { state: heard, outputs: [] };
    case OPCODE.DECODE_DATA:
      return decoded(heard, packet, sizeMax);
    case OPCODE.MULTIPACKET_SEGMENT:
      return segment(heard, packet, sizeMax, state.naks);
    case OPCODE.REPLY_REVISION: {
      const text = utf8Text(packet.data);
      return { state: heard, outputs: text === undefined ? [ACK] : [ACK, { kind: 'identity', text }] };
    }
    default:
      return { state: heard, outputs: packet.source === SOURCE_DECODER ? [ACK] : [] };
  }
}

function decoded(state: SessionState, packet: Packet, sizeMax: number): SessionStep {
  const [codeType, ...rest] = packet.data;
  if (codeType === undefined) return refuse(state, NAK_CONTEXT);
  const isRepeated = (packet.status & STATUS_RETRANSMIT) !== 0;
  const part = Uint8Array.from(rest);
  const { assembly } = state;
  if ((packet.status & STATUS_CONTINUED) !== 0) {
    // The part that was kept last, once more: its acknowledgement was lost.
    if (isRepeated && assembly !== undefined && endsWith(assembly.bytes, part)) return { state, outputs: [ACK] };
    const before = assembly?.codeType === codeType ? assembly.bytes : new Uint8Array(0);
    const bytes = concatBytes(before, part).slice(0, sizeMax + 1);
    return { state: { ...state, assembly: { codeType, next: 0, sizeBytes: undefined, bytes } }, outputs: [ACK] };
  }
  const isLastPart = assembly !== undefined && assembly.sizeBytes === undefined && assembly.codeType === codeType;
  const text = isLastPart ? concatBytes(assembly.bytes, part) : part;
  return take(state, codeType, text, isRepeated, sizeMax);
}

function segment(state: SessionState, packet: Packet, sizeMax: number, naks: number): SessionStep {
  const [number, ...rest] = packet.data;
  const { assembly } = state;
  if (number === undefined) return refuse({ ...state, naks }, NAK_CONTEXT);
  if (number === 0) {
    const [, , , , codeType, , high, low] = rest.slice(1);
    const isWhole = rest[0] === OPCODE.DECODE_DATA && packet.data.length >= SEGMENT_HEAD_BYTES;
    if (!isWhole || codeType === undefined || high === undefined || low === undefined)
      return refuse({ ...state, naks }, NAK_CONTEXT);
    const sizeBytes = (high << 8) | low;
    const bytes = packet.data.slice(SEGMENT_HEAD_BYTES);
    return goOn(state, { codeType, next: 1, sizeBytes, bytes }, sizeMax);
  }
  if (assembly?.sizeBytes === undefined) return refuse({ ...state, naks }, NAK_CONTEXT);
  // Once more the one that was taken: its acknowledgement was lost.
  if (number === assembly.next - 1) return { state, outputs: [SEGMENT_ACK] };
  if (number !== assembly.next) return refuse({ ...state, assembly: undefined, naks }, NAK_CONTEXT);
  const bytes = concatBytes(assembly.bytes, Uint8Array.from(rest));
  return goOn(state, { ...assembly, next: number + 1, bytes }, sizeMax);
}

function goOn(state: SessionState, assembly: Assembly, sizeMax: number): SessionStep {
  const { bytes, sizeBytes = 0, codeType } = assembly;
  if (bytes.length > sizeBytes) return refuse({ ...state, assembly: undefined }, NAK_CONTEXT);
  if (bytes.length === sizeBytes) return take(state, codeType, bytes, false, sizeMax);
  if (bytes.length <= sizeMax) return { state: { ...state, assembly }, outputs: [SEGMENT_ACK] };
  return take(state, codeType, bytes, false, sizeMax);
}

function take(
  state: SessionState,
  codeType: number,
  text: Uint8Array,
  repeated: boolean,
  sizeMax: number,
): SessionStep {
  const taken = concatBytes(Uint8Array.of(codeType), text);
  const isKnown = repeated && !state.damagedSince && state.taken !== undefined && equalBytes(state.taken, taken);
  const next: SessionState = { ...state, taken, damagedSince: false, assembly: undefined };
  if (isKnown) return { state: next, outputs: [ACK, { kind: 'count', what: 'repeated' }] };
  const tooLong = text.length > sizeMax;
  return { state: next, outputs: [ACK, { kind: 'scan', codeType, text: text.slice(0, sizeMax), tooLong }] };
}

function refuse(state: SessionState, cause: number): SessionStep {
  const refused: SessionOutput = { kind: 'count', what: 'refused' };
  if (state.naks >= NAKS_MAX) return { state, outputs: [refused] };
  const nak = send(formatPacket(OPCODE.CMD_NAK, SOURCE_HOST, 0, [cause]));
  return { state: { ...state, naks: state.naks + 1 }, outputs: [nak, refused] };
}

function endsWith(bytes: Uint8Array, part: Uint8Array): boolean {
  return part.length > 0 && bytes.length >= part.length && equalBytes(bytes.slice(-part.length), part);
}

function send(bytes: Uint8Array): Extract<SessionOutput, { kind: 'send' }> {
  return { kind: 'send', bytes };
}
