/** Faults that a person brings about at a simulated site: power, failed sensors, forged frames, faults asked for. */
import { expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { kerongFamily } from '../../../simulators/boards/kerong-family.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import { type Emission, NO_FAULTS } from '../../../simulators/faults/plan.ts';
import { FaultyLine } from '../../../simulators/line/faulty-line.ts';
import { parseStep } from '../../../simulators/site/steps.ts';
import { hex, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';

/** As public integrations of KERONG boards print them: the question for board 0, and its hooks and items, with their sum. */
const QUESTION = Uint8Array.of(0x02, 0x00, 0x30, 0x03, 0x35);
const UNLOCK_1 = Uint8Array.of(0x02, 0x00, 0x31, 0x03, 0x36);
const SHUT = '020035ffff00000338';
const OPEN = '020035feff00000337';
const OPEN_WITH_ITEM = '020035feff01000338';
const SHUT_WITH_ITEM = '020035ffff01000339';

function kerong() {
  const bank = new LockerBank([{ name: 'A1', board: 'a', channel: 1 }]);
  const scheduler = new ManualScheduler();
  const said: string[] = [];
  const wiring = { shutReads: 1, unwiredReads: 1, itemSensors: true } as const;
  const board = { name: 'a', address: 0, channels: 16, unlockReply: 'none', turnaroundMs: 0, ...wiring } as const;
  const emit = ({ bytes }: Emission): void => void said.push(hex(bytes));
  const parts = { bank, scheduler, counts: new FaultCounts(), emit };
  const bus = new BoardBus({ family: kerongFamily, boards: [board], baud: 19_200 }, parts);
  const ask = (): string | undefined => {
    bus.receive(QUESTION);
    scheduler.advance(1_000);
    return said.at(-1);
  };
  return { bank, bus, ask };
}

test('a failed sensor goes on reporting what it reported, until it is mended', () => {
  const { bank, ask } = kerong();
  expect(ask()).toBe(SHUT);
  bank.fail('A1', 'door');
  bank.open('A1');
  bank.put('A1');
  expect(ask()).toBe(SHUT_WITH_ITEM);
  expect([bank.cell('A1').door, bank.failed('A1')]).toEqual(['open', ['door']]);
  bank.mend('A1');
  expect(ask()).toBe(OPEN_WITH_ITEM);
  bank.fail('A1', 'item');
  bank.take('A1');
  expect(ask()).toBe(OPEN_WITH_ITEM);
  bank.mend('A1');
  expect([ask(), bank.failed('A1')]).toEqual([OPEN, []]);
});

test('a forged answer says that every door is open, and moves none', () => {
  const { bank, bus, ask } = kerong();
  expect(bus.forgedAnswer()).toBeUndefined();
  ask();
  expect(hex(bus.forgedAnswer() ?? new Uint8Array(0))).toBe(OPEN);
  expect([bank.cell('A1').door, ask()]).toEqual(['shut', SHUT]);
  bus.receive(UNLOCK_1);
  bank.shut('A1');
  // What moves a lock is never what is answered again.
  expect(hex(bus.forgedAnswer() ?? new Uint8Array(0))).toBe(OPEN);
});

test('without power a line says nothing, and a fault that was asked for befalls what is said next, once', () => {
  const sent: string[] = [];
  const scheduler = new ManualScheduler();
  const none = (): Promise<void> => Promise.resolve();
  const send = (bytes: Uint8Array): void => void sent.push(utf8Text(bytes) ?? '');
  const cable = { address: 'a', plugged: true, send, plug: none, unplug: none, close: none };
  const counts = new FaultCounts();
  const line = new FaultyLine({ name: 'desk', cable, settings: NO_FAULTS, counts, scheduler });
  const scan = (text: string): void => {
    line.emit({ what: 'scan', bytes: utf8(`${text}\r\n`), suffixBytes: 2 });
    scheduler.advance(1_000);
  };
  line.power(false);
  scan('UNHEARD');
  line.power(true);
  line.arm('missing_suffix');
  expect(line.armed).toEqual(['missing_suffix']);
  scan('FIRST');
  scan('SECOND');
  expect(sent).toEqual(['FIRST', 'SECOND\r\n']);
  expect([line.emissions, counts.of('missing_suffix'), line.armed]).toEqual([2, 1, []]);
});

test.each([
  ['power bus-a off', { do: 'power', line: 'bus-a', on: false }],
  ['fail A1 item', { do: 'fail', compartment: 'A1', sensor: 'item' }],
  ['mend A1', { do: 'mend', compartment: 'A1' }],
  ['fault bus-a bit_flip', { do: 'fault', line: 'bus-a', kind: 'bit_flip' }],
  ['spoof bus-a doors', { do: 'spoof', line: 'bus-a' }],
  ['spoof bus-a 02 00 3B', { do: 'spoof', line: 'bus-a', bytes: Uint8Array.of(2, 0, 0x3b) }],
])('"%s" is a step', (text, step) => {
  expect(parseStep(text)).toEqual({ ok: true, value: step });
});

test.each([
  ['power bus-a', /on/],
  ['fail A1 lock', /door, item/],
  ['fault bus-a gremlins', /split, merge/],
  ['spoof bus-a', /doors/],
  ['spoof bus-a 020', /hex/],
  [`spoof bus-a ${'00'.repeat(257)}`, /256 bytes/],
])('"%s" is none, and the answer says what is', (text, expected) => {
  const step = parseStep(text);
  expect(step.ok ? '' : step.detail).toMatch(expected);
});
