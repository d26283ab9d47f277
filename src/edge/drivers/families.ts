import type { BoardFamily } from './board-family.ts';
import { kerongCu16 } from './kerong-cu16/family.ts';
import { xor8a80 } from './xor-8a80/family.ts';

/** Every family of lock boards that `driver:` can name. */
export const BOARD_FAMILIES: readonly BoardFamily[] = [xor8a80, kerongCu16];

export function familyNamed(name: string): BoardFamily | undefined {
  return BOARD_FAMILIES.find((family) => family.name === name);
}
