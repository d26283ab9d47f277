import type { BoardFamily } from './board.ts';
import { kerongFamily } from './kerong-family.ts';
import { kerong48Family } from './kerong48-family.ts';
import { cu48ModbusFamily, modbusIoFamily } from './modbus-family.ts';
import { winnsenFamily } from './winnsen-family.ts';
import { wklyFamily } from './wkly-family.ts';
import { xorFamily } from './xor-family.ts';

export const FAMILY_NAMES = [
  'xor_8a80',
  'kerong_cu16',
  'kerong_cu48',
  'cu48_modbus',
  'modbus_io',
  'wkly',
  'winnsen',
] as const;

export const BOARD_FAMILIES: Readonly<Record<(typeof FAMILY_NAMES)[number], BoardFamily>> = {
  xor_8a80: xorFamily,
  kerong_cu16: kerongFamily,
  kerong_cu48: kerong48Family,
  cu48_modbus: cu48ModbusFamily,
  modbus_io: modbusIoFamily,
  wkly: wklyFamily,
  winnsen: winnsenFamily,
};
