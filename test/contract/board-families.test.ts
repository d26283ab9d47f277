import { expect, test } from 'vitest';
import { BOARD_FAMILIES } from '../../src/edge/drivers/families.ts';
import { boardFamilyContract } from './board-family.contract.ts';
import { BOARD_SUBJECTS } from './board-subjects.ts';

for (const subject of BOARD_SUBJECTS) boardFamilyContract(subject);

test('every family of the table stands in the contract', () => {
  const tried = new Set(BOARD_SUBJECTS.map(({ family }) => family.name));
  expect([...tried].sort()).toEqual(BOARD_FAMILIES.map(({ name }) => name).sort());
});
