/**
 * Frames here are printed in public integrations and manuals of these boards (Locker-Preddita, lkaas-kerong,
 * KR-CU16_locker), each recomputed by an independent checksum routine. None comes from the code under test.
 */
import { describe, expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardFamily, BoardSettings } from '../../../simulators/boards/board.ts';
import { kerongFamily } from '../../../simulators/boards/kerong-family.ts';
import { xorFamily } from '../../../simulators/boards/xor-family.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text.split(' ').map((pair) => Number.parseInt(pair, 16)));
const textOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');

function board(overrides: Partial<BoardSettings> = {}): BoardSettings {
  return {
    name: 'b',
    address: 1,
    channels: 24,
    shutReads: 1,
    unwiredReads: 1,
    itemSensors: true,
    unlockReply: 'immediate',
    turnaroundMs: 4,
    ...overrides,
  };
}

function bankOf(settings: BoardSettings): LockerBank {
  const channels = Array.from({ length: settings.channels }, (_, i) => i + 1);
  return new LockerBank(channels.map((channel) => ({ name: `c${channel}`, board: settings.name, channel })));
}

function ask(family: BoardFamily, settings: BoardSettings, bank: LockerBank, request: string): string[] {
  const bytes = bytesOf(request);
  expect(family.cut(bytes)).toEqual({ kind: 'request', sizeBytes: bytes.length });
  return family.hear(settings, bank, bytes).map((said) => textOf(said.bytes));
}

const openDoors = (bank: LockerBank): string[] =>
  bank
    .cells()
    .filter((cell) => cell.door === 'open')
    .map((cell) => cell.name);

describe('a board of the "8A/80" family', () => {
  test('answers query-all of 24 and of 32 channels as printed', () => {
    const small = board();
    expect(ask(xorFamily, small, bankOf(small), '80 01 00 33 B2')).toEqual(['80 01 FF FF FF 33 4D']);
    const large = board({ channels: 32 });
    expect(ask(xorFamily, large, bankOf(large), '80 01 00 33 B2')).toEqual(['80 01 FF FF FF FF 33 B2']);
  });

  test('puts the highest group of eight first', () => {
    const settings = board();
    const bank = bankOf(settings);
    bank.open('c1');
    bank.open('c24');
    expect(ask(xorFamily, settings, bank, '80 01 00 33 B2')).toEqual(['80 01 7F FF FE 33 CC']);
  });

  test('answers for one channel as printed, in either wiring', () => {
    const settings = board();
    const bank = bankOf(settings);
    expect(ask(xorFamily, settings, bank, '80 01 01 33 B3')).toEqual(['80 01 01 11 91']);
    bank.open('c1');
    expect(ask(xorFamily, settings, bank, '80 01 01 33 B3')).toEqual(['80 01 01 00 80']);
    const inverse = board({ shutReads: 0 });
    expect(ask(xorFamily, inverse, bankOf(inverse), '80 01 01 33 B3')).toEqual(['80 01 01 00 80']);
  });

  test('opens what it is told to, and replies by its habit', () => {
    const settings = board();
    const bank = bankOf(settings);
    expect(ask(xorFamily, settings, bank, '8A 01 01 33 B9')).toEqual(['8A 01 01 00 8A']);
    expect(openDoors(bank)).toEqual(['c1']);
    const silent = board({ unlockReply: 'none' });
    expect(ask(xorFamily, silent, bankOf(silent), '8A 01 01 33 B9')).toEqual([]);
    const echoing = board({ unlockReply: 'echo' });
    expect(ask(xorFamily, echoing, bankOf(echoing), '8A 01 01 33 B9')).toEqual(['8A 01 01 33 B9']);
    const second = board({ address: 2 });
    const itsBank = bankOf(second);
    ask(xorFamily, second, itsBank, '8A 02 0C 11 95');
    expect(openDoors(itsBank)).toEqual(['c12']);
  });

  test('opens by mask, and all at once', () => {
    const settings = board();
    const bank = bankOf(settings);
    ask(xorFamily, settings, bank, '90 01 02 02 02 93');
    expect(openDoors(bank)).toEqual(['c2', 'c10', 'c18']);
    ask(xorFamily, settings, bank, '8A 01 00 11 9A');
    expect(openDoors(bank)).toHaveLength(24);
  });

  test('says its address when it is alone and asked, and nothing to a request for another board', () => {
    const settings = board({ address: 7 });
    expect(ask(xorFamily, settings, bankOf(settings), '80 01 00 99 18')).toEqual(['80 01 07 99 1F']);
    expect(ask(xorFamily, settings, bankOf(settings), '80 01 00 33 B2')).toEqual([]);
  });

  test('reports a door by itself when it is set to, as printed', () => {
    const bank = bankOf(board());
    const shut = bank.cell('c1');
    expect(xorFamily.report(board(), shut)).toBeUndefined();
    expect(textOf(xorFamily.report(board({ reports: 0x82 }), shut) ?? Uint8Array.of())).toBe('82 01 01 11 93');
    bank.open('c1');
    const report = xorFamily.report(board({ reports: 0x81 }), bank.cell('c1'));
    expect(textOf(report ?? Uint8Array.of())).toBe('81 01 01 00 81');
  });
});

describe('a KERONG CU16 board', () => {
  const settings = (address: number): BoardSettings => board({ address, channels: 16 });

  test('reports channel 4 of board 1 open as printed', () => {
    const bank = bankOf(settings(1));
    bank.open('c4');
    expect(ask(kerongFamily, settings(1), bank, '02 10 30 03 45')).toEqual(['02 10 35 F7 FF 00 00 03 40']);
  });

  test('has a checksum that cannot tell "all shut, empty" from "1 open, item in 1"', () => {
    const bank = bankOf(settings(0));
    const empty = ask(kerongFamily, settings(0), bank, '02 00 30 03 35');
    bank.open('c1');
    bank.put('c1');
    const full = ask(kerongFamily, settings(0), bank, '02 00 30 03 35');
    expect(empty).toEqual(['02 00 35 FF FF 00 00 03 38']);
    expect(full).toEqual(['02 00 35 FE FF 01 00 03 38']);
  });

  test('holds the byte 03 in its data when items lie in 1 and 2', () => {
    const bank = bankOf(settings(0));
    bank.pretendItem('c1', true);
    bank.pretendItem('c2', true);
    const [reply = ''] = ask(kerongFamily, settings(0), bank, '02 00 30 03 35');
    expect(reply).toBe('02 00 35 FF FF 03 00 03 3B');
    expect(kerongFamily.hasEndInside(bytesOf(reply))).toBe(true);
    expect(kerongFamily.hasEndInside(bytesOf('02 10 35 F7 FF 00 00 03 40'))).toBe(false);
  });

  test('opens one, any, and all locks', () => {
    for (const [address, request, opened] of [
      [0, '02 00 31 03 36', ['c1']],
      [0, '02 01 31 03 37', ['c2']],
      [0, '02 0F 31 03 45', ['c16']],
      [1, '02 13 31 03 49', ['c4']],
      [1, '02 00 31 03 36', []],
    ] as const) {
      const bank = bankOf(settings(address));
      ask(kerongFamily, settings(address), bank, request);
      expect(openDoors(bank)).toEqual(opened);
    }
    const bank = bankOf(settings(0));
    expect(ask(kerongFamily, settings(0), bank, '02 00 33 03 38')).toEqual([]);
    expect(openDoors(bank)).toHaveLength(16);
  });

  test('answers a broadcast in turn, after the boards before it', () => {
    const request = bytesOf('02 F0 32 03 27');
    const [first] = kerongFamily.hear(settings(0), bankOf(settings(0)), request);
    const [second] = kerongFamily.hear(settings(1), bankOf(settings(1)), request);
    expect(textOf(first?.bytes ?? Uint8Array.of())).toBe('02 00 36 FF FF 00 00 03 39');
    expect((second?.afterMs ?? 0) - (first?.afterMs ?? 0)).toBeGreaterThan(4.7);
  });

  test('hears a setting without answering, and has no sensors where none are wired', () => {
    expect(ask(kerongFamily, settings(0), bankOf(settings(0)), '02 00 40 00 03 45')).toEqual([]);
    const blind = board({ address: 0, channels: 16, itemSensors: false });
    const bank = bankOf(blind);
    bank.pretendItem('c1', true);
    expect(ask(kerongFamily, blind, bank, '02 00 30 03 35')).toEqual(['02 00 35 FF FF 00 00 03 38']);
  });
});

describe('a cabinet', () => {
  test('lets hands reach in through an open door only', () => {
    const bank = bankOf(board());
    expect(() => bank.put('c1')).toThrow(/shut/);
    bank.open('c1');
    bank.put('c1');
    bank.shut('c1');
    expect(bank.cell('c1')).toMatchObject({ door: 'shut', item: true });
    expect(() => bank.take('c1')).toThrow(/shut/);
    expect(() => bank.open('nowhere')).toThrow(/no compartment/);
  });
});
