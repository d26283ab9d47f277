import { describe, expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { BOARD_FAMILIES, FAMILY_NAMES } from '../../../simulators/boards/families.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import { concatBytes, utf8 } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { describedFamilies, describerOf } from '../../../src/edge/drivers/describe/table.ts';
import { boardSteps, loneSteps } from '../../../src/edge/drivers/probe/plan.ts';
import { type ProbeOptions, type ProbeWire, probe } from '../../../src/edge/drivers/probe/probe.ts';
import { bytesOf, hexOf } from './support.ts';

const STEPS = [...loneSteps(), ...boardSteps()];
const NEVER = new AbortController().signal;

describe('what a probe sends', () => {
  test('no request, and no part of one, opens a lock or changes a device, whichever family hears it', () => {
    const requests = [...new Set(STEPS.flatMap(({ request }) => (request === undefined ? [] : [hexOf(request)])))];
    expect(requests.length).toBeGreaterThan(100);
    // Its commands are single letters: it is asked before all others, and the search ends when it answers.
    const families = describedFamilies().filter((name) => name !== 'datalogic');
    expect(families.length).toBeGreaterThan(12);
    let understood = 0;
    for (const hex of requests) {
      const whole = bytesOf(hex);
      for (let from = 0; from < whole.length; from += 1) {
        for (let to = from + 2; to <= whole.length; to += 1) {
          for (const family of families) {
            const said = describerOf(family)?.(whole.subarray(from, to));
            if (said?.ok !== true) continue;
            expect(said.value.effect, `${family} in ${hex}`).toBe('reads');
            understood += 1;
          }
        }
      }
    }
    expect(understood).toBeGreaterThan(requests.length - 30);
  });

  test('the make that obeys single letters is asked before anybody else at each speed', () => {
    for (const baud of [9_600, 115_200]) {
      const asked = STEPS.filter((step) => step.baud === baud && step.request !== undefined);
      expect(asked[0]?.family).toBe('datalogic');
    }
  });

  test('every family of boards, and the common makes, can be found', () => {
    const families = new Set(STEPS.map(({ family }) => family));
    for (const name of [
      ...FAMILY_NAMES,
      'ssi',
      'honeywell',
      'newland',
      'opticon',
      'datalogic',
      'mt_sics',
      'toledo',
      'nmea',
    ]) {
      expect(families, name).toContain(name);
    }
  });
});

/** A line of simulated boards; time runs only while somebody waits. */
function simulated(family: keyof typeof BOARD_FAMILIES, baud: number, addresses: readonly number[], echo = false) {
  const scheduler = new ManualScheduler();
  const boards = addresses.map(
    (address): BoardSettings => ({
      name: `b${address}`,
      address,
      channels: 16,
      shutReads: 1,
      unwiredReads: 1,
      itemSensors: false,
      unlockReply: 'immediate',
      turnaroundMs: 5,
    }),
  );
  const cells = boards.map(({ name }) => ({ name: `${name}-1`, board: name, channel: 1 }));
  const bank = new LockerBank(cells);
  const seen: Uint8Array[] = [];
  let emitted: Uint8Array = new Uint8Array(0);
  const emit = ({ bytes }: { readonly bytes: Uint8Array }): void => {
    emitted = concatBytes(emitted, bytes);
  };
  const bus = new BoardBus(
    { family: BOARD_FAMILIES[family], boards, baud },
    { bank, scheduler, counts: new FaultCounts(), emit },
  );
  const open = async (speed: number): Promise<ProbeWire> => ({
    async ask(request, waitMs) {
      emitted = new Uint8Array(0);
      // At another speed a board hears nothing that it could understand.
      if (request !== undefined && (speed === baud || speed === 0)) {
        seen.push(request);
        if (echo) emit({ bytes: request });
        bus.receive(request);
      }
      scheduler.advance(waitMs);
      return emitted;
    },
    close: async () => undefined,
  });
  return { open, bank, boards, seen };
}

function options(open: ProbeOptions['open'], more: Partial<ProbeOptions> = {}): ProbeOptions {
  return { open, fixedSpeed: false, signal: NEVER, progress: () => undefined, ...more };
}

describe.each(FAMILY_NAMES)('boards of family %s', (family) => {
  const probed = boardSteps().filter((step) => step.family === family);
  const baud = probed[0]?.baud ?? 0;
  const addresses = [...new Set(probed.flatMap(({ address }) => (address === undefined ? [] : [address])))];
  const [first = 1] = addresses;
  const last = addresses.at(-1) ?? first;

  test.each([false, true])('show themselves, and no door opens (echo: %s)', async (echo) => {
    const line = simulated(family, baud, [first, last], echo);
    const { found } = await probe(options(line.open));
    for (const address of [first, last]) {
      expect(found).toContainEqual(expect.objectContaining({ kind: 'board', family, address, baud }));
    }
    const own = found.filter((each) => each.family === family).map((each) => each.address);
    expect(own).toEqual([first, last]);
    expect(line.seen.length).toBeGreaterThan(10);
    for (const request of line.seen) {
      for (const board of line.boards)
        expect(BOARD_FAMILIES[family].unlocks(board, request), hexOf(request)).toBe(false);
    }
    expect(line.bank.cells().filter(({ door }) => door === 'open')).toEqual([]);
  });
});

describe('other devices', () => {
  /** Answers by script: request in hex, or '' while it is only listened. */
  function scripted(baud: number, answers: Readonly<Record<string, Uint8Array>>) {
    const asked: string[] = [];
    const open = async (speed: number): Promise<ProbeWire> => ({
      async ask(request) {
        const hex = request === undefined ? '' : hexOf(request);
        asked.push(hex);
        return (speed === baud ? answers[hex] : undefined) ?? new Uint8Array(0);
      },
      close: async () => undefined,
    });
    return { open, asked };
  }

  const REVISION = bytesOf('0B A4 00 00 50 41 41 42 53 30 31 FD 83');

  test.each([
    ['a Datalogic scanner', 9_600, '69', bytesOf('01 02 47 44 34 34 30 30 03 04'), 'scanner', 'datalogic', 'GD4400'],
    [
      'a Honeywell scanner',
      115_200,
      '16 4D 0D 52 45 56 49 4E 46 2E',
      utf8('Xenon 1900\x06.'),
      'scanner',
      'honeywell',
      'Xenon 1900',
    ],
    [
      'a scale with a serial number',
      9_600,
      '49 34 0D 0A',
      utf8('I4 A "B021002593"\r\n'),
      'scale',
      'mt_sics',
      'B021002593',
    ],
    ['a scale that does not know the question', 9_600, '49 34 0D 0A', utf8('ES\r\n'), 'scale', 'mt_sics', undefined],
    [
      'a receiver that speaks by itself',
      4_800,
      '',
      utf8('$GPRMC,123519,V,,,,,,,230394,,*33\r\n'),
      'receiver',
      'nmea',
      undefined,
    ],
    [
      'a scale that speaks by itself',
      9_600,
      '',
      bytesOf('02 2B 30 20 30 30 31 32 35 30 30 30 30 30 30 30 0D 2E'),
      'scale',
      'toledo',
      undefined,
    ],
  ] as const)('%s is found, and ends the search', async (_name, baud, request, answer, kind, family, identity) => {
    const { open, asked } = scripted(baud, { [request]: answer });
    const { found } = await probe(options(open));
    expect(found).toEqual([{ kind, family, baud, ...(identity !== undefined && { identity }) }]);
    expect(asked.filter((hex) => hex === '80 01 00 33 B2')).toEqual([]);
  });

  test('a scanner that speaks SSI tells its revision', async () => {
    const sum = -REVISION.slice(0, -2).reduce((total, byte) => total + byte, 0) & 0xffff;
    const packet = Uint8Array.of(...REVISION.slice(0, -2), sum >> 8, sum & 255);
    const { open } = scripted(9_600, { '04 A3 04 00 FF 55': packet });
    expect((await probe(options(open))).found).toEqual([
      { kind: 'scanner', family: 'ssi', baud: 9_600, identity: 'PAABS01' },
    ]);
  });

  test('what answers once and never again is not found; bytes without meaning are told by their speed', async () => {
    let answered = false;
    const open = async (speed: number): Promise<ProbeWire> => ({
      async ask(request) {
        if (speed === 19_200 && request !== undefined) return bytesOf('FB 13 77 01 9E FF 00 41 42');
        if (answered || request === undefined || hexOf(request) !== '80 02 00 33 B1') return new Uint8Array(0);
        answered = true;
        return bytesOf('80 02 FF FF FF 33 4E');
      },
      close: async () => undefined,
    });
    const result = await probe(options(open));
    expect(answered).toBe(true);
    expect(result).toMatchObject({ found: [], noiseAt: [19_200], cut: false });
  });

  test('it ends when it is stopped, and says that not everything was asked', async () => {
    const stop = new AbortController();
    const { open } = scripted(9_600, {});
    const result = await probe(options(open, { signal: stop.signal, progress: (done) => done > 20 && stop.abort() }));
    expect(result.cut).toBe(true);
    expect(result.asked).toBeLessThan(30);
  });
});

test('a board that answers with as many inputs as it is asked for is not said to have so many', async () => {
  const line = simulated('modbus_io', 9_600, [1]);
  const { found } = await probe(options(line.open, { family: 'modbus_io' }));
  expect(found).toEqual([{ kind: 'board', family: 'modbus_io', address: 1, baud: 9_600 }]);
  const told = simulated('xor_8a80', 9_600, [1]);
  const { found: board } = await probe(options(told.open, { family: 'xor_8a80' }));
  expect(board).toMatchObject([{ family: 'xor_8a80', channels: 16 }]);
});
