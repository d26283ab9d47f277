/**
 * What `latchkey probe` asks, and in which order. Pure.
 *
 * Every request only reads: a test holds all of them, and every part of them, against the describers of all families.
 * Devices that have a port for themselves come first, and the search ends at the first of them: to a scanner that obeys
 * single letters the bytes of a board's frame are commands. Of those, the one with the shortest words is asked first.
 */
import { equalBytes, utf8 } from '../../../base/bytes.ts';
import { describerOf } from '../describe/table.ts';
import { BOARD_FAMILIES } from '../families.ts';
import type { FrameDescription } from '../frame-description.ts';
import { formatPacket, OPCODE, SOURCE_HOST } from '../ssi-scanner/packets.ts';
import { identityIn, MAKES, type MakeName } from '../text-scanner/makes.ts';

export type FoundKind = 'board' | 'scanner' | 'scale' | 'receiver';

export interface Found {
  readonly kind: FoundKind;
  /** As `driver:` or `make:` names it. */
  readonly family: string;
  readonly address?: number;
  /** Channels that the answer covers, where it tells. */
  readonly channels?: number;
  /** What the device says of itself. */
  readonly identity?: string;
}

export interface ProbeStep {
  readonly kind: FoundKind;
  readonly family: string;
  /** Absent: any speed will do, or the speed cannot be set. */
  readonly baud: number;
  readonly address?: number;
  /** Absent: the line is only listened to. */
  readonly request?: Uint8Array;
  readonly waitMs: number;
  /** What the bytes that came say of a device; undefined when they are no answer, or not one yet. */
  readonly read: (bytes: Uint8Array) => Found | undefined;
}

const LONE_BAUDS = [9_600, 115_200] as const;
const REPLY_WAIT_MS = 150;
const SCANNER_WAIT_MS = 600;
const LISTEN_MS = 1_300;
/** Longer answers are no status. */
const ANSWER_BYTES_MAX = 96;
/** Single letters first: to such a scanner the words of the others are commands. */
const MAKE_ORDER: readonly MakeName[] = ['datalogic', 'opticon', 'newland', 'honeywell'];
const SSI_REVISION = formatPacket(OPCODE.REQUEST_REVISION, SOURCE_HOST, 0);

/** Devices that speak by themselves, and those that are asked who they are. */
export function loneSteps(): readonly ProbeStep[] {
  const listening = [
    listenStep('scale', 'toledo', 9_600),
    listenStep('receiver', 'nmea', 4_800),
    listenStep('receiver', 'nmea', 9_600),
  ];
  return [...listening, ...LONE_BAUDS.flatMap((baud) => askLone(baud))];
}

/** Status questions of every family of boards, the likeliest speed of each first. */
export function boardSteps(): readonly ProbeStep[] {
  return BOARD_FAMILIES.flatMap(({ name, probes }) =>
    (probes?.() ?? []).map(({ baud, address, request, channelsAsAsked }) => ({
      kind: 'board' as const,
      family: name,
      baud,
      ...(address !== undefined && { address }),
      request,
      waitMs: REPLY_WAIT_MS,
      read: (bytes: Uint8Array) => {
        const found = boardIn(name, request, address, bytes);
        if (found === undefined || channelsAsAsked !== true) return found;
        const { channels: _, ...told } = found;
        return told;
      },
    })),
  );
}

function askLone(baud: number): readonly ProbeStep[] {
  const scales = baud === 9_600 ? [scaleStep('I4', baud), scaleStep('SI', baud)] : [];
  const makes = MAKE_ORDER.flatMap((name): readonly ProbeStep[] => {
    const { query } = MAKES[name];
    return query === undefined ? [] : [makeStep(name, query, baud)];
  });
  const ssi = lone('scanner', 'ssi', baud, SSI_REVISION, (bytes) => {
    const said = described('ssi', bytes, SSI_REVISION);
    return said?.direction === 'reply' ? { kind: 'scanner', family: 'ssi', ...identityOf(said) } : undefined;
  });
  const [first, ...others] = makes;
  return [...(first === undefined ? [] : [first]), ssi, ...scales, ...others];
}

function lone(kind: FoundKind, family: string, baud: number, request: Uint8Array, read: ProbeStep['read']): ProbeStep {
  return { kind, family, baud, request, waitMs: SCANNER_WAIT_MS, read };
}

function makeStep(name: MakeName, query: Uint8Array, baud: number): ProbeStep {
  return lone('scanner', name, baud, query, (bytes) => {
    const cut = identityIn(MAKES[name], withoutEcho(bytes, query));
    if (cut.kind !== 'identity' || cut.text === undefined || cut.text === '') return undefined;
    return { kind: 'scanner', family: name, identity: cut.text };
  });
}

/** A scale that does not know the question says so, and is one all the same. */
function scaleStep(word: string, baud: number): ProbeStep {
  const request = utf8(`${word}\r\n`);
  return lone('scale', 'mt_sics', baud, request, (bytes) => {
    const said = described('mt_sics', bytes, request);
    if (said === undefined || said.direction !== 'reply') return undefined;
    return { kind: 'scale', family: 'mt_sics', ...(said.command === 'identity' && identityOf(said)) };
  });
}

function listenStep(kind: FoundKind, family: string, baud: number): ProbeStep {
  const read = (bytes: Uint8Array): Found | undefined =>
    described(family, bytes.subarray(-4 * ANSWER_BYTES_MAX)) === undefined ? undefined : { kind, family };
  return { kind, family, baud, waitMs: LISTEN_MS, read };
}

function boardIn(
  family: string,
  request: Uint8Array,
  address: number | undefined,
  bytes: Uint8Array,
): Found | undefined {
  const said = described(family, bytes, request);
  if (said === undefined || said.direction === 'request' || said.board === undefined) return undefined;
  if (address !== undefined && said.board !== address) return undefined;
  const channels = said.locks?.length ?? 0;
  return { kind: 'board', family, address: said.board, ...(channels > 1 && { channels }) };
}

function identityOf({ registers }: FrameDescription): { readonly identity?: string } {
  const value = registers?.[0]?.value;
  return value === undefined ? {} : { identity: String(value) };
}

/** The longest sound frame that is not the request itself, anywhere among the bytes. */
function described(family: string, heard: Uint8Array, request?: Uint8Array): FrameDescription | undefined {
  const describe = describerOf(family);
  const bytes = request === undefined ? heard : withoutEcho(heard, request);
  for (let from = 0; from < bytes.length; from += 1) {
    for (let to = Math.min(bytes.length, from + ANSWER_BYTES_MAX); to > from + 1; to -= 1) {
      const frame = bytes.subarray(from, to);
      if (request !== undefined && equalBytes(frame, request)) continue;
      const found = describe?.(frame);
      if (found?.ok === true) return found.value;
    }
  }
  return undefined;
}

function withoutEcho(bytes: Uint8Array, request: Uint8Array): Uint8Array {
  const begins = bytes.length >= request.length && equalBytes(bytes.subarray(0, request.length), request);
  return begins ? bytes.subarray(request.length) : bytes;
}
