import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardFamily, BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { kerongFamily } from '../../../simulators/boards/kerong-family.ts';
import { xorFamily } from '../../../simulators/boards/xor-family.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import type { Emission } from '../../../simulators/faults/plan.ts';
import { concatBytes, hex } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';

const QUERY_1 = Uint8Array.of(0x80, 0x01, 0x00, 0x33, 0xb2);
const QUERY_2 = Uint8Array.of(0x80, 0x02, 0x00, 0x33, 0xb1);

function board(name: string, address: number, overrides: Partial<BoardSettings> = {}): BoardSettings {
  return {
    name,
    address,
    channels: 16,
    shutReads: 1,
    unwiredReads: 1,
    itemSensors: true,
    unlockReply: 'none',
    turnaroundMs: 4,
    ...overrides,
  };
}

function busOf(boards: readonly BoardSettings[], family: BoardFamily = xorFamily, baud = family.defaultBaud) {
  const cells = boards.flatMap(({ name, channels }) =>
    Array.from({ length: channels }, (_, i) => ({ name: `${name}.${i + 1}`, board: name, channel: i + 1 })),
  );
  const bank = new LockerBank(cells);
  const scheduler = new ManualScheduler();
  const counts = new FaultCounts();
  const said: (Emission & { readonly atMs: number })[] = [];
  const emit = (emission: Emission): void => void said.push({ ...emission, atMs: scheduler.monotonicMs() });
  const bus = new BoardBus({ family, boards, baud }, { bank, scheduler, counts, emit });
  return { bus, bank, scheduler, counts, said };
}

describe('a line with boards', () => {
  test('takes the time that the bytes take at its baud rate', () => {
    const { bus, scheduler, said } = busOf([board('a', 1)]);
    bus.receive(QUERY_1);
    scheduler.advance(1_000);
    // 5 bytes there and 6 back at 9600 baud, 10 bits each, and 4 ms of turnaround.
    expect(said.map((one) => Math.round(one.atMs * 100) / 100)).toEqual([15.46]);
  });

  test('answers for the board that was asked, and stays silent for one that is not there', () => {
    const { bus, scheduler, said } = busOf([board('a', 1), board('b', 2)]);
    bus.receive(QUERY_2);
    bus.receive(Uint8Array.of(0x80, 0x03, 0x00, 0x33, 0xb0));
    scheduler.advance(1_000);
    expect(said.map((one) => one.bytes[1])).toEqual([2]);
    expect(bus.requests).toBe(2);
  });

  test('hears the same however the request is cut, behind noise', () => {
    let heard = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 6 })), (noise, sizes) => {
        const { bus, scheduler, said } = busOf([board('a', 1)]);
        const quiet = noise.filter((byte) => byte !== 0x80 && byte !== 0x8a && byte !== 0x90);
        const wire = concatBytes(quiet, QUERY_1);
        for (let at = 0, i = 0; at < wire.length; i += 1) {
          const size = sizes[i] ?? wire.length;
          bus.receive(wire.slice(at, at + size));
          at += size;
        }
        scheduler.advance(1_000);
        heard += said.length;
        expect(said).toHaveLength(1);
      }),
      { numRuns: 500 },
    );
    expect(heard).toBe(500);
  });

  test('forgets half a request after a pause', () => {
    const { bus, scheduler, said } = busOf([board('a', 1)]);
    bus.receive(QUERY_1.slice(0, 3));
    scheduler.advance(200);
    bus.receive(QUERY_1.slice(3));
    scheduler.advance(200);
    expect(said).toEqual([]);
    bus.receive(QUERY_1);
    scheduler.advance(200);
    expect(said).toHaveLength(1);
  });

  test('garbles the replies of two boards with one address, and counts it', () => {
    const { bus, bank, scheduler, counts, said } = busOf([board('a', 1), board('b', 1)]);
    bank.open('a.1');
    bank.open('b.2');
    bus.receive(QUERY_1);
    scheduler.advance(1_000);
    // Sound replies would be 80 01 FF FE 33 B3 and 80 01 FF FD 33 B0.
    expect(said.map((one) => hex(one.bytes))).toEqual(['8001fffc33b0']);
    expect(counts.of('same_address')).toBe(1);
  });

  test('gives both replies when the second board is slow enough', () => {
    const { bus, scheduler, counts, said } = busOf([board('a', 1), board('b', 1, { turnaroundMs: 40 })]);
    bus.receive(QUERY_1);
    scheduler.advance(1_000);
    expect(said).toHaveLength(2);
    expect(counts.of('same_address')).toBe(1);
  });

  test('counts an end byte inside data, and a master that does not wait', () => {
    const { bus, bank, scheduler, counts } = busOf([board('a', 0)], kerongFamily);
    const query = Uint8Array.of(0x02, 0x00, 0x30, 0x03, 0x35);
    bus.receive(query);
    scheduler.advance(100);
    expect(counts.of('end_in_data')).toBe(0);
    bank.pretendItem('a.1', true);
    bank.pretendItem('a.2', true);
    bus.receive(query);
    scheduler.advance(2);
    bus.receive(query);
    scheduler.advance(100);
    expect(counts.of('end_in_data')).toBe(2);
    expect(counts.of('talked_over')).toBe(1);
  });

  test('reports each door change once and no change of an item', () => {
    const { bus, bank, scheduler, said } = busOf([board('a', 1, { reports: 0x81 })]);
    bank.open('a.1');
    bank.put('a.1');
    bank.shut('a.1');
    scheduler.advance(1_000);
    expect(said.map((one) => hex(one.bytes))).toEqual(['8101010081', '8101011190']);
    bus.close();
    bank.open('a.1');
    scheduler.advance(1_000);
    expect(said).toHaveLength(2);
  });
});
