/** What one frame of an "8A/80" lock board says, in either direction. */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte, locksOf } from '../describing.ts';
import type { Described, DescribedLock, FrameDescription } from '../frame-description.ts';
import { bcc, GROUP_MARK, QUERY, SHORT_BYTES } from './frames.ts';

const ADDRESS_MARK = 0x99;

type Read = (channel: number, param: number, frame: Uint8Array) => FrameDescription | undefined;

interface Row {
  readonly sizes: readonly number[];
  readonly read: Read;
}

const request = (command: string, effect: FrameDescription['effect'], channel = 0): FrameDescription => ({
  direction: 'request',
  effect,
  command,
  ...(channel === 0 ? {} : { channels: [channel] }),
});

const reply = (command: string, locks?: readonly DescribedLock[]): FrameDescription => ({
  direction: 'reply',
  effect: 'reads',
  command,
  ...(locks === undefined ? {} : { locks }),
});

const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [0x7a, { sizes: [5], read: (channel) => request('motor', 'opens', channel) }],
  [0x7c, { sizes: [5], read: (channel) => request('pulse', 'opens', channel) }],
  [0x7e, { sizes: [5], read: (_, param) => ({ ...request('set_timeout', 'sets'), registers: [{ value: param }] }) }],
  [0x7f, { sizes: [5], read: (_, param) => ({ ...request('set_limit', 'sets'), registers: [{ value: param }] }) }],
  [QUERY, { sizes: [5, 6, 7, 8], read: readQuery }],
  [0x81, { sizes: [5], read: (channel, param) => readReport(channel, param) }],
  [0x82, { sizes: [5], read: readIdentity }],
  [0x8a, { sizes: [5, 6], read: readUnlock }],
  [0x8d, { sizes: [5], read: (_, param) => ({ ...request('set_reports', 'sets'), registers: [{ value: param }] }) }],
  [0x90, { sizes: [6], read: (_channel, _param, frame) => readBatch(frame) }],
  [0x9a, { sizes: [5], read: (channel) => request('hold_on', 'opens', channel) }],
  [0x9b, { sizes: [5], read: (channel) => request('hold_off', 'opens', channel) }],
  [0x9d, { sizes: [5], read: () => request('unlock_all_in_turn', 'opens') }],
  // Three state bytes; which of them is about channel 1 is not told.
  [0x9e, { sizes: [6], read: () => reply('unlock_all_in_turn') }],
]);

export function describe(frame: Uint8Array): Described {
  const [first, board = 0, channel = 0, param = 0] = frame;
  const row = first === undefined ? undefined : ROWS.get(first);
  if (row === undefined) return badShape(`expected a command of the 8A/80 family first, found ${hexByte(first)}`);
  if (!row.sizes.includes(frame.length))
    return badLength(`command ${hexByte(first)}`, row.sizes.join(', '), frame.length);
  const own = bcc(frame.subarray(0, -1));
  if (frame[frame.length - 1] !== own) return badCheck('BCC', hexByte(own), hexByte(frame[frame.length - 1]));
  const read = row.read(channel, param, frame);
  if (read === undefined)
    return badShape(`expected a known parameter behind ${hexByte(first)}, found ${hexByte(param)}`);
  if (read.command !== 'address') return accept({ ...read, board });
  // The question is put to nobody in particular; the answer brings the address where a channel stands otherwise.
  return accept(read.direction === 'request' ? read : { ...read, board: channel });
}

function readQuery(channel: number, param: number, frame: Uint8Array): FrameDescription | undefined {
  if (frame.length > SHORT_BYTES) {
    const states = frame.subarray(2, -2);
    return frame[frame.length - 2] === GROUP_MARK ? reply('status', locksOf(states.toReversed())) : undefined;
  }
  if (param === GROUP_MARK) return request('status', 'reads', channel);
  if (param === ADDRESS_MARK) return channel === 0 ? request('address', 'reads') : reply('address');
  const lock = lockOf(channel, param);
  return lock === undefined ? undefined : reply('status', [lock]);
}

function readUnlock(channel: number, param: number, frame: Uint8Array): FrameDescription | undefined {
  const asked = request(channel === 0 ? 'unlock_all' : 'unlock', 'opens', channel);
  if (frame.length > SHORT_BYTES) return { ...asked, registers: [{ value: frame[4] ?? 0 }] };
  if (param === 0x33) return asked;
  // The request with param 11 is also a reply with state 11.
  if (param === 0x11) return { ...asked, direction: 'either' };
  const lock = lockOf(channel, param);
  return lock === undefined ? undefined : reply('unlock', [lock]);
}

function readReport(channel: number, param: number): FrameDescription | undefined {
  const lock = lockOf(channel, param);
  return lock === undefined ? undefined : reply('report', [lock]);
}

/** 82 reads firmware and UID; in one document it is the spontaneous report. */
function readIdentity(channel: number, param: number): FrameDescription | undefined {
  if (channel === 0 && param === 0x22) return request('firmware', 'reads');
  if (channel === 0 && param === 0x44) return request('uid', 'reads');
  if (channel === 0) return { ...reply('firmware'), registers: [{ value: param }] };
  return readReport(channel, param);
}

function readBatch(frame: Uint8Array): FrameDescription {
  const channels = locksOf(frame.subarray(2, -1)).flatMap((bit) => (bit.feedback === 1 ? [bit.lock] : []));
  return { direction: 'request', effect: 'opens', command: 'unlock_several', channels };
}

function lockOf(channel: number, state: number): DescribedLock | undefined {
  if (channel === 0 || (state !== 0x00 && state !== 0x11)) return undefined;
  return { lock: channel, feedback: state === 0x11 ? 1 : 0 };
}
