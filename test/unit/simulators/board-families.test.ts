/**
 * Simulated boards against frames that others have printed: their public integrations, an emulator's tests, the makers'
 * pages. None comes from the code under test.
 */
import { describe, expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardFamily, BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { BOARD_FAMILIES } from '../../../simulators/boards/families.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import type { Emission } from '../../../simulators/faults/plan.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text.split(' ').map((pair) => Number.parseInt(pair, 16)));
const textOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');

class SimulatedBoard {
  readonly settings: BoardSettings;
  readonly bank: LockerBank;
  readonly #family: BoardFamily;

  constructor(family: BoardFamily, address: number, channels: number, habits: Partial<BoardSettings> = {}) {
    this.#family = family;
    const fixed = {
      shutReads: 1,
      unwiredReads: 1,
      itemSensors: true,
      unlockReply: 'immediate',
      turnaroundMs: 4,
    } as const;
    this.settings = { name: 'b', address, channels, ...fixed, ...habits };
    const cells = Array.from({ length: channels }, (_, i) => ({ name: `c${i + 1}`, board: 'b', channel: i + 1 }));
    this.bank = new LockerBank(cells);
  }

  ask(request: string): string[] {
    const bytes = bytesOf(request);
    expect(this.#family.cut(bytes)).toEqual({ kind: 'request', sizeBytes: bytes.length });
    return this.#family.hear(this.settings, this.bank, bytes).map((said) => textOf(said.bytes));
  }

  get open(): readonly string[] {
    return this.bank.cells().flatMap((cell) => (cell.door === 'open' ? [cell.name] : []));
  }
}

describe('a KERONG CU48', () => {
  test('of layout A says "lock 1 open, item in 1" as printed', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.kerong_cu48, 0, 48);
    board.bank.open('c1');
    board.bank.put('c1');
    expect(board.ask('02 00 00 60 03 65')).toEqual(['02 00 00 75 FE FF FF FF FF FF 01 00 00 00 00 00 03 74']);
  });

  test('opens one lock, and all', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.kerong_cu48, 0, 48, { layout: 'b' });
    // Layout B replies to an unlock with ADDR LOCK 75 00 SUM.
    expect(board.ask('02 00 04 61 03 6A')).toEqual(['02 00 04 75 00 7B']);
    expect(board.open).toEqual(['c5']);
    board.ask('02 00 30 61 03 96');
    expect(board.open).toHaveLength(48);
  });
});

describe('a CU48 with Modbus firmware', () => {
  const cu48 = (habits: Partial<BoardSettings> = {}): SimulatedBoard =>
    new SimulatedBoard(BOARD_FAMILIES.cu48_modbus, 1, 48, habits);

  test('reads its locks as printed', () => {
    const board = cu48();
    expect(board.ask('01 01 00 00 00 30 3C 1E')).toEqual(['01 01 06 FF FF FF FF FF FF A1 23']);
    board.bank.open('c1');
    expect(board.ask('01 01 00 00 00 30 3C 1E')).toEqual(['01 01 06 FE FF FF FF FF FF A0 F2']);
  });

  test('opens by FF00 or by 0000, as it is built, and repeats the request', () => {
    const board = cu48();
    expect(board.ask('01 05 00 04 FF 00 CD FB')).toEqual(['01 05 00 04 FF 00 CD FB']);
    board.ask('01 05 00 00 00 00 CD CA');
    expect(board.open).toEqual(['c5']);
    const other = cu48({ unlockValue: 0 });
    other.ask('01 05 00 2F FF 00 BD F3');
    expect(other.open).toEqual([]);
    other.ask('01 0F 00 00 00 08 01 00 FE 95');
    expect(other.open).toHaveLength(8);
  });

  test('refuses a coil that it does not have as printed', () => {
    const small = new SimulatedBoard(BOARD_FAMILIES.cu48_modbus, 1, 24);
    expect(small.ask('01 05 00 2F FF 00 BD F3')).toEqual(['01 85 02 C3 51']);
  });
});

describe('a Modbus board with relays', () => {
  test('lets a relay flash or pull for a moment as its maker prints, and opens by nothing else', () => {
    const flash = new SimulatedBoard(BOARD_FAMILIES.modbus_io, 1, 8);
    expect(flash.ask('01 05 02 00 00 07 8D B0')).toEqual(['01 05 02 00 00 07 8D B0']);
    flash.ask('01 05 02 01 00 08 9C 74');
    flash.ask('01 05 00 00 FF 00 8C 3A');
    expect(flash.open).toEqual(['c1', 'c2']);
    const momentary = new SimulatedBoard(BOARD_FAMILIES.modbus_io, 1, 8, { relay: 'momentary' });
    momentary.ask('01 06 00 01 05 00 DB 5A');
    momentary.ask('01 05 02 01 00 08 9C 74');
    expect(momentary.open).toEqual(['c1']);
  });

  test('reads eight bits as printed', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.modbus_io, 1, 8, { shutReads: 0 });
    board.bank.open('c1');
    board.bank.open('c7');
    expect(board.ask('01 01 00 00 00 08 3D CC')).toEqual(['01 01 01 41 91 B8']);
  });
});

describe('a WKLY board', () => {
  test('answers as printed', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.wkly, 0, 4);
    expect(board.ask('57 4B 4C 59 09 00 83 01 82')).toEqual(['57 4B 4C 59 0B 00 83 00 01 01 81']);
    board.bank.open('c1');
    expect(board.ask('57 4B 4C 59 09 00 83 01 82')).toEqual(['57 4B 4C 59 0B 00 83 00 01 00 80']);
    board.bank.shut('c1');
    board.bank.open('c2');
    expect(board.ask('57 4B 4C 59 08 00 84 85')).toEqual(['57 4B 4C 59 0E 00 84 00 04 01 00 01 01 86']);
    board.ask('57 4B 4C 59 08 00 86 87');
    expect(board.open).toHaveLength(4);
  });

  test('opens a lock and says so as printed', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.wkly, 1, 4);
    expect(board.ask('57 4B 4C 59 09 01 82 04 87')).toEqual(['57 4B 4C 59 0B 01 82 00 04 00 85']);
    expect(board.open).toEqual(['c4']);
  });

  test('reports a door by itself where it is set to, as assumed by every source', () => {
    const board = new SimulatedBoard(BOARD_FAMILIES.wkly, 0, 4, { reports: 0x85 });
    const report = BOARD_FAMILIES.wkly.report(board.settings, board.bank.cell('c1'));
    expect(textOf(report ?? Uint8Array.of())).toBe('57 4B 4C 59 0A 00 85 01 01 86');
  });
});

test('a Winnsen board puts lock and status of its two replies in another order, as printed', () => {
  const board = new SimulatedBoard(BOARD_FAMILIES.winnsen, 0, 16, { shutReads: 0 });
  expect(board.ask('90 06 05 00 01 03')).toEqual(['90 07 85 00 01 01 03']);
  expect(board.ask('90 06 12 00 01 03')).toEqual(['90 07 92 00 01 01 03']);
  expect(board.ask('90 06 12 00 02 03')).toEqual(['90 07 92 00 00 02 03']);
});

test('a board that is busy after an unlock says nothing until it is done, and that is counted', () => {
  const board = new SimulatedBoard(BOARD_FAMILIES.wkly, 0, 4, { busyMs: 1_500 });
  const scheduler = new ManualScheduler();
  const counts = new FaultCounts();
  const said: Emission[] = [];
  const bus = new BoardBus(
    { family: BOARD_FAMILIES.wkly, boards: [board.settings], baud: 9_600 },
    { bank: board.bank, scheduler, counts, emit: (emission) => void said.push(emission) },
  );
  const query = bytesOf('57 4B 4C 59 08 00 84 85');
  bus.receive(query);
  scheduler.advance(100);
  bus.receive(bytesOf('57 4B 4C 59 09 00 82 01 83'));
  scheduler.advance(1_000);
  expect(said).toHaveLength(2);
  bus.receive(query);
  scheduler.advance(1_000);
  expect(said).toHaveLength(2);
  bus.receive(query);
  scheduler.advance(100);
  expect(said).toHaveLength(3);
  expect(counts.of('busy')).toBe(1);
  bus.close();
});
