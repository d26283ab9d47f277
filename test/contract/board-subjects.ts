/** Every family of lock boards, in each profile that changes its frames, beside its simulator. */
import { BOARD_FAMILIES as SIMULATED } from '../../simulators/boards/families.ts';
import { cu48Modbus } from '../../src/edge/drivers/cu48-modbus/family.ts';
import type { FrameDescription } from '../../src/edge/drivers/frame-description.ts';
import { kerongCu16 } from '../../src/edge/drivers/kerong-cu16/family.ts';
import { kerongCu48 } from '../../src/edge/drivers/kerong-cu48/family.ts';
import { modbusIo } from '../../src/edge/drivers/modbus-io/family.ts';
import { winnsen } from '../../src/edge/drivers/winnsen/family.ts';
import { wkly } from '../../src/edge/drivers/wkly/family.ts';
import { xor8a80 } from '../../src/edge/drivers/xor-8a80/family.ts';
import { vectorsOf } from '../unit/drivers/support.ts';
import type { BoardFamilySubject } from './board-bench.ts';

type Said = Readonly<Record<string, Partial<FrameDescription>>>;

const unlocks = (board: number, ...channels: readonly number[]): Partial<FrameDescription> => ({
  effect: 'opens',
  board,
  channels,
});

const XOR_SAID: Said = {
  'query all': { command: 'status', effect: 'reads', board: 1 },
  'query 1': { command: 'status', effect: 'reads', channels: [1] },
  'status 00': { command: 'status', locks: [{ lock: 1, feedback: 0 }] },
  'status 11': { command: 'status', locks: [{ lock: 1, feedback: 1 }] },
  'reply 00': { command: 'unlock', direction: 'reply', locks: [{ lock: 1, feedback: 0 }] },
  'unlock b1c1 p33': { ...unlocks(1, 1), direction: 'request' },
  'unlock b2c12': { ...unlocks(2, 12), direction: 'either' },
  'unlock all b1': { command: 'unlock_all', effect: 'opens' },
  'batch 2,10,18': unlocks(1, 2, 10, 18),
  'hold on 33': { command: 'hold_on', effect: 'opens' },
  'seq open': { command: 'unlock_all_in_turn', effect: 'opens' },
  'autoup on': { command: 'set_reports', effect: 'sets', registers: [{ value: 1 }] },
  'autoup off': { command: 'set_reports', effect: 'sets', registers: [{ value: 0 }] },
  'unsol 00': { command: 'report', locks: [{ lock: 1, feedback: 0 }] },
  unsol82: { command: 'report', locks: [{ lock: 1, feedback: 1 }] },
  fw: { command: 'firmware', effect: 'reads' },
  uid: { command: 'uid', effect: 'reads' },
  'addr query': { command: 'address', effect: 'reads', direction: 'request' },
  'all reply FF': { locks: Array.from({ length: 24 }, (_, i) => ({ lock: i + 1, feedback: 1 })) },
  'all reply 32ch': { locks: Array.from({ length: 32 }, (_, i) => ({ lock: i + 1, feedback: 1 })) },
};

const CU16_SAID: Said = {
  'status board1': { command: 'status', effect: 'reads', board: 1, direction: 'request' },
  'status-all bus F0': { command: 'status_all', effect: 'reads' },
  'unlock b0 L16': unlocks(0, 16),
  'unlock b1 L4': unlocks(1, 4),
  'unlock-all b0': { command: 'unlock_all', effect: 'opens' },
  'set baud 9600': { command: 'set_speed', effect: 'sets', registers: [{ value: 9_600 }] },
  'reply b1 L4 open': {
    direction: 'reply',
    locks: Array.from({ length: 16 }, (_, i) => ({ lock: i + 1, feedback: i === 3 ? 0 : 1, item: 0 })),
  },
};

const CU48_SAID: Said = {
  'status/detect': { command: 'status', effect: 'reads', direction: 'request' },
  'unlock all': { command: 'unlock_all', effect: 'opens' },
  'unlock L5': unlocks(0, 5),
  'reply L1 open item1': {
    locks: Array.from({ length: 48 }, (_, i) => ({ lock: i + 1, feedback: i === 0 ? 0 : 1, item: i === 0 ? 1 : 0 })),
  },
};

const CU48_MODBUS_SAID: Said = {
  'read 48 coils d1': { direction: 'request', effect: 'reads', board: 1, registers: [{ address: 0, value: 48 }] },
  'reply L1 open': { locks: Array.from({ length: 48 }, (_, i) => ({ lock: i + 1, feedback: i === 0 ? 0 : 1 })) },
  'write L5 FF00': { direction: 'either', effect: 'opens', registers: [{ address: 4, value: 0xff00 }] },
  'write L48 FF00': { effect: 'opens', registers: [{ address: 47, value: 0xff00 }] },
  'write L1 0000': { effect: 'opens', registers: [{ address: 0, value: 0 }] },
  'exception illegal addr': { direction: 'reply', command: 'write_coil_refused', registers: [{ value: 2 }] },
};

const IO_SAID: Said = {
  'IO-Box: relays 1 and 7 are on': {
    locks: [1, 0, 0, 0, 0, 0, 1, 0].map((feedback, i) => ({ lock: i + 1, feedback: feedback === 1 ? 1 : 0 })),
  },
  'Waveshare: relay 1 on for 700 ms': { effect: 'opens', registers: [{ address: 0x200, value: 7 }] },
  'eletechsup: relay 1 momentary': { effect: 'opens', registers: [{ address: 1, value: 0x500 }] },
  // The printed meaning: AE41, 5652 and 4340 stand in registers 40108 to 40110.
  'registers 108 to 110': { registers: [{ value: 0xae41 }, { value: 0x5652 }, { value: 0x4340 }] },
  'preset registers 2 and 3': {
    direction: 'request',
    registers: [
      { address: 1, value: 0x000a },
      { address: 2, value: 0x0102 },
    ],
  },
};

const WKLY_SAID: Said = {
  'open all': { command: 'unlock_all', effect: 'opens' },
  'keep on': { command: 'hold_on', ...unlocks(0, 1) },
  'query c1': { command: 'status', effect: 'reads', channels: [1] },
  'open reply b1c4': { direction: 'reply', board: 1, locks: [{ lock: 4, feedback: 0 }] },
  'reply to query c1: closed': { locks: [{ lock: 1, feedback: 1 }] },
  'all reply 4ch': { locks: [1, 0, 1, 1].map((bit, i) => ({ lock: i + 1, feedback: bit === 1 ? 1 : 0 })) },
  'upload (assumed)': { command: 'report', locks: [{ lock: 1, feedback: 1 }] },
};

const WINNSEN_SAID: Said = {
  'unlock st0 l1': unlocks(0, 1),
  'status reply open': { direction: 'reply', locks: [{ lock: 1, feedback: 1 }] },
  'unlock ok': { direction: 'reply', registers: [{ value: 1 }] },
};

const XOR = {
  family: xor8a80,
  simulated: SIMULATED.xor_8a80,
  vectors: vectorsOf('xor_8a80'),
  said: XOR_SAID,
  checked: true,
  marks: [0x80, 0x81, 0x8a, 0x33, 0x01],
  heldBytesMax: 8,
} as const;
const CU48 = {
  family: kerongCu48,
  simulated: SIMULATED.kerong_cu48,
  checked: true,
  marks: [0x02, 0x03, 0x60, 0x75, 0x06],
  heldBytesMax: 18,
} as const;
const IO = {
  family: modbusIo,
  simulated: SIMULATED.modbus_io,
  vectors: vectorsOf('modbus_io'),
  said: IO_SAID,
  checked: true,
  otherChannels: 32,
  marks: [0x01, 0x02, 0x05, 0x11, 0x00],
  heldBytesMax: 41,
} as const;
const CU48_VECTORS = vectorsOf('kerong_cu48');
/** Frames of layout A, which a board of layout B does not cut. */
const isLayoutA = (name: string): boolean => name.startsWith('reply');

export const BOARD_SUBJECTS: readonly BoardFamilySubject[] = [
  { title: 'xor_8a80', ...XOR, profile: { address: 1, channels: 24 }, otherChannels: 32 },
  {
    title: 'xor_8a80, pulse in the unlock',
    ...XOR,
    profile: { address: 5, channels: 12, unlock_pulse_s: 3 },
    otherChannels: 24,
  },
  {
    title: 'xor_8a80, param 33',
    ...XOR,
    profile: { address: 199, channels: 32, unlock_param: '33' },
    otherChannels: 16,
  },
  {
    title: 'kerong_cu16',
    family: kerongCu16,
    simulated: SIMULATED.kerong_cu16,
    profile: { address: 3, channels: 16 },
    vectors: vectorsOf('kerong_cu16'),
    said: CU16_SAID,
    checked: true,
    marks: [0x02, 0x03, 0x30, 0x35, 0x10],
    heldBytesMax: 9,
  },
  {
    title: 'kerong_cu48, layout A',
    ...CU48,
    profile: { address: 0, channels: 48 },
    vectors: CU48_VECTORS,
    said: CU48_SAID,
  },
  {
    title: 'kerong_cu48, layout B',
    ...CU48,
    profile: { address: 2, channels: 48, layout: 'b', status_lock: 48 },
    habits: { layout: 'b' },
    vectors: CU48_VECTORS.filter(({ name }) => !isLayoutA(name)),
    said: Object.fromEntries(Object.entries(CU48_SAID).filter(([name]) => !isLayoutA(name))),
    otherChannels: 24,
  },
  {
    title: 'cu48_modbus',
    family: cu48Modbus,
    simulated: SIMULATED.cu48_modbus,
    profile: { address: 1, channels: 48 },
    vectors: vectorsOf('cu48_modbus'),
    said: CU48_MODBUS_SAID,
    checked: true,
    otherChannels: 24,
    marks: [0x01, 0x02, 0x05, 0x06, 0x00],
    heldBytesMax: 41,
  },
  {
    title: 'cu48_modbus, unlocked by 0000',
    family: cu48Modbus,
    simulated: SIMULATED.cu48_modbus,
    profile: { address: 2, channels: 24, unlock_value: '0000' },
    habits: { unlockValue: 0 },
    vectors: vectorsOf('cu48_modbus'),
    said: {},
    checked: true,
    otherChannels: 48,
    marks: [0x01, 0x02, 0x03, 0x05, 0x00],
    heldBytesMax: 41,
  },
  { title: 'modbus_io, flash', ...IO, profile: { address: 1, channels: 16, unlock: { by: 'flash' } } },
  {
    title: 'modbus_io, momentary',
    ...IO,
    profile: { address: 17, channels: 24, unlock: { by: 'momentary' } },
    habits: { relay: 'momentary' },
  },
  {
    title: 'modbus_io, relays that reset themselves, doors as coils',
    ...IO,
    profile: { address: 9, channels: 8, feedback: 'coils', unlock: { by: 'self_resetting' } },
    habits: { relay: 'self_resetting' },
  },
  {
    title: 'wkly',
    family: wkly,
    simulated: SIMULATED.wkly,
    profile: { address: 0, channels: 4 },
    vectors: vectorsOf('wkly'),
    said: WKLY_SAID,
    checked: true,
    otherChannels: 12,
    marks: [0x57, 0x53, 0x4b, 0x4c, 0x59, 0x08],
    heldBytesMax: 58,
  },
  {
    title: 'wkly, replies that begin with 53',
    family: wkly,
    simulated: SIMULATED.wkly,
    profile: { address: 30, channels: 48 },
    habits: { replyHeader: 0x53 },
    vectors: vectorsOf('wkly'),
    said: {},
    checked: true,
    otherChannels: 24,
    marks: [0x57, 0x53, 0x4b, 0x4c, 0x59, 0x08],
    heldBytesMax: 58,
  },
  {
    title: 'winnsen',
    family: winnsen,
    simulated: SIMULATED.winnsen,
    profile: { address: 0, channels: 16 },
    vectors: vectorsOf('winnsen'),
    said: WINNSEN_SAID,
    checked: false,
    marks: [0x90, 0x03, 0x06, 0x07, 0x12, 0x92],
    heldBytesMax: 7,
  },
];
