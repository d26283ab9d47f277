import type { BoardFamily } from './board-family.ts';
import { cu48Modbus } from './cu48-modbus/family.ts';
import { kerongCu16 } from './kerong-cu16/family.ts';
import { kerongCu48 } from './kerong-cu48/family.ts';
import { modbusIo } from './modbus-io/family.ts';
import { winnsen } from './winnsen/family.ts';
import { wkly } from './wkly/family.ts';
import { xor8a80 } from './xor-8a80/family.ts';

/** Every family of lock boards that `driver:` can name. */
export const BOARD_FAMILIES: readonly BoardFamily[] = [
  xor8a80,
  kerongCu16,
  kerongCu48,
  cu48Modbus,
  modbusIo,
  wkly,
  winnsen,
];

/** Boards of families on one wire share their addresses. */
export function wireOf(name: string): string {
  return familyNamed(name)?.wire ?? name;
}

export function familyNamed(name: string): BoardFamily | undefined {
  return BOARD_FAMILIES.find((family) => family.name === name);
}
