/** What the drivers send and refuse, against frames as others have printed them. */
import { expect, test } from 'vitest';
import type { Unlocking } from '../../../src/edge/drivers/board-family.ts';
import { familyNamed } from '../../../src/edge/drivers/families.ts';
import { bytesOf, hexOf } from './support.ts';

function unlockOf(driver: string, profile: object): Unlocking {
  const unlock = familyNamed(driver)?.board({ driver, name: 'b', ...profile }).unlock;
  if (unlock === undefined) throw new Error(`${driver} without locks`);
  return unlock;
}

const FLASH = { address: 1, channels: 8 };

test.each([
  ['xor_8a80', { address: 1, unlock_param: '33' }, 1, '8A 01 01 33 B9'],
  ['xor_8a80', { address: 2 }, 12, '8A 02 0C 11 95'],
  // The documents' shape with a pulse of 3 s; its check value by hand: 8A ^ 01 ^ 01 ^ 11 ^ 03.
  ['xor_8a80', { address: 1, unlock_pulse_s: 3 }, 1, '8A 01 01 11 03 98'],
  ['kerong_cu16', { address: 0 }, 16, '02 0F 31 03 45'],
  ['kerong_cu16', { address: 1 }, 4, '02 13 31 03 49'],
  ['kerong_cu48', { address: 0 }, 5, '02 00 04 61 03 6A'],
  ['cu48_modbus', { address: 1 }, 5, '01 05 00 04 FF 00 CD FB'],
  ['cu48_modbus', { address: 1 }, 48, '01 05 00 2F FF 00 BD F3'],
  ['cu48_modbus', { address: 1, unlock_value: '0000' }, 1, '01 05 00 00 00 00 CD CA'],
  ['modbus_io', { ...FLASH, unlock: { by: 'flash', pulse_ms: 700 } }, 1, '01 05 02 00 00 07 8D B0'],
  ['modbus_io', { ...FLASH, unlock: { by: 'flash', pulse_ms: 800 } }, 2, '01 05 02 01 00 08 9C 74'],
  ['modbus_io', { ...FLASH, unlock: { by: 'momentary' } }, 1, '01 06 00 01 05 00 DB 5A'],
  ['modbus_io', { ...FLASH, unlock: { by: 'self_resetting' } }, 1, '01 05 00 00 FF 00 8C 3A'],
  ['winnsen', { address: 0 }, 1, '90 06 05 00 01 03'],
])('the unlock of %s %o, lock %i, is the printed one', (driver, profile, channel, frame) => {
  expect(hexOf(unlockOf(driver, profile).frame(channel))).toBe(frame);
});

test.each([
  ['xor_8a80', { address: 1, unlock_param: '33' }, 1, '8A 01 01 00 8A', true],
  ['kerong_cu48', { address: 0, layout: 'b', unlock_reply: 'at_once' }, 5, '02 00 04 75 00 7B', true],
  ['wkly', { address: 0, channels: 4 }, 1, '57 4B 4C 59 0B 00 82 00 01 00 81', true],
  ['wkly', { address: 1, channels: 4 }, 4, '57 4B 4C 59 0B 01 82 FF 04 FF 85', false],
  ['winnsen', { address: 0 }, 1, '90 07 85 00 01 01 03', true],
  ['winnsen', { address: 0 }, 1, '90 07 85 00 01 00 03', false],
  ['cu48_modbus', { address: 1 }, 48, '01 85 02 C3 51', false],
])('%s %o, lock %i: the reply %s is one, accepted: %s', (driver, profile, channel, reply, accepted) => {
  expect(unlockOf(driver, profile).interpret(bytesOf(reply), channel)).toEqual({ kind: 'unlock', accepted });
  // About another lock, or from another board, it answers nothing; an exception names no lock.
  if (driver !== 'cu48_modbus') {
    expect(unlockOf(driver, profile).interpret(bytesOf(reply), channel === 1 ? 2 : 1).kind).not.toBe('unlock');
  }
  const { address } = profile as { readonly address: number };
  const other = unlockOf(driver, { ...profile, address: address === 0 ? 1 : address + 1 });
  expect(other.interpret(bytesOf(reply), channel).kind).not.toBe('unlock');
});

test('a Modbus board without a way to let a relay go by itself opens nothing', () => {
  expect(familyNamed('modbus_io')?.board({ driver: 'modbus_io', name: 'b', address: 1 }).unlock).toBeUndefined();
});

test('a firmware reply as printed has the wrong check value, and the right one is named', () => {
  const describe = familyNamed('xor_8a80')?.describe;
  expect(describe?.(bytesOf('82 01 00 AB CE'))).toEqual({
    ok: false,
    reason: 'checksum',
    detail: 'expected BCC 28, found CE',
  });
  expect(describe?.(bytesOf('82 01 00 AB 28'))).toMatchObject({ ok: true, value: { registers: [{ value: 0xab }] } });
});

test('a CU48 reply that reads in both layouts names no locks', () => {
  // 18 bytes, 0C in the fifth and 03 before the sum; the sum by hand.
  const bytes = [0x02, 0x00, 0x00, 0x75, 0x0c, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x03];
  const sum = bytes.reduce((total, byte) => total + byte) % 256;
  const described = familyNamed('kerong_cu48')?.describe?.(Uint8Array.of(...bytes, sum));
  expect(described).toEqual({
    ok: true,
    value: { direction: 'reply', effect: 'reads', board: 0, command: 'status' },
  });
});
