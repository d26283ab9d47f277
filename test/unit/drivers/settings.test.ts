import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lineBaud, lineShape } from '../../../src/edge/drivers/settings.ts';

const schema = z.strictObject(lineShape);

function problems(settings: unknown): string[] {
  const parsed = schema.safeParse(settings);
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.'));
}

describe('settings of a line', () => {
  test('defaults make the shortest entry whole', () => {
    const parsed = schema.parse({ devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1 }] });
    expect(parsed.poll).toEqual({
      cycle_ms: 500,
      reply_timeout_ms: 200,
      turnaround_ms: 20,
      late_answer_ms: 2_000,
      liveness_ms: 15_000,
      echo: 'auto',
    });
    expect(parsed.devices[0]).toEqual({
      driver: 'xor_8a80',
      name: 'board-1',
      address: 1,
      channels: 24,
      unlock_param: '11',
      unlock_reply: 'at_once',
    });
    const kerong = schema.parse({ devices: [{ driver: 'kerong_cu16', name: 'b', address: 0 }] });
    expect(kerong.devices[0]).toMatchObject({ channels: 16, item_sensors: false });
  });

  test('every wrong member is named at its path', () => {
    expect(
      problems({
        poll: { cycle_ms: 1 },
        devices: [
          { driver: 'xor_8a80', name: 'board 1', address: 0, channels: 8 },
          { driver: 'kerong_cu16', name: 'b', address: 16, colour: 'red' },
          { driver: 'unheard_of', name: 'c' },
        ],
      }).sort(),
    ).toEqual([
      'devices.0.address',
      'devices.0.channels',
      'devices.0.name',
      'devices.1',
      'devices.1.address',
      'devices.2.driver',
      'poll.cycle_ms',
    ]);
    expect(problems({ devices: [] })).toEqual(['devices']);
  });

  test('two boards of one family share no address; of two families they may', () => {
    const xor = { driver: 'xor_8a80', name: 'a', address: 3 };
    expect(problems({ devices: [xor, { ...xor, name: 'b' }] })).toEqual(['devices.1.address']);
    expect(problems({ devices: [xor, { driver: 'kerong_cu16', name: 'b', address: 3 }] })).toEqual([]);
  });

  test('two boards that speak Modbus share no address, whatever their family', () => {
    const lock = { driver: 'cu48_modbus', name: 'a', address: 3 };
    const io = { driver: 'modbus_io', name: 'b', address: 3 };
    expect(problems({ devices: [lock, io] })).toEqual(['devices.1.address']);
    expect(problems({ devices: [lock, { ...io, address: 4 }] })).toEqual([]);
  });

  test('inputs of a Modbus board stand above its doors, each with a channel and a name of its own', () => {
    const board = { driver: 'modbus_io', name: 'a', address: 1, channels: 8 };
    const tamper = { channel: 9, name: 'cabinet', kind: 'tamper' };
    expect(problems({ devices: [{ ...board, inputs: [tamper] }] })).toEqual([]);
    expect(problems({ devices: [{ ...board, inputs: [{ ...tamper, channel: 8 }] }] })).toEqual([
      'devices.0.inputs.0.channel',
    ]);
    expect(problems({ devices: [{ ...board, inputs: [tamper, tamper] }] })).toEqual([
      'devices.0.inputs.1.channel',
      'devices.0.inputs.1.name',
    ]);
    expect(problems({ devices: [{ ...board, feedback: 'coils', inputs: [tamper] }] })).toEqual(['devices.0.inputs']);
    expect(problems({ devices: [{ ...board, channels: 0 }] })).toEqual(['devices.0.channels']);
    expect(problems({ devices: [{ ...board, unlock: { by: 'flash', pulse_ms: 550 } }] })).toEqual([
      'devices.0.unlock.pulse_ms',
    ]);
    expect(problems({ devices: [{ ...board, unlock: { by: 'on_and_off' } }] })).toEqual(['devices.0.unlock.by']);
  });

  test('a scanner has its port to itself', () => {
    const scanner = { driver: 'text_scanner', name: 's' };
    expect(problems({ devices: [scanner] })).toEqual([]);
    expect(problems({ devices: [{ driver: 'xor_8a80', name: 'a', address: 3 }, scanner] })).toEqual([
      'devices.1.driver',
    ]);
  });

  test('the usual speed of a line is that of its devices, when they agree', () => {
    const xor = { driver: 'xor_8a80', name: 'a', address: 3 };
    const kerong = { driver: 'kerong_cu16', name: 'b', address: 3 };
    expect(lineBaud(schema.parse({ devices: [xor] }).devices)).toBe(9_600);
    expect(lineBaud(schema.parse({ devices: [kerong] }).devices)).toBe(19_200);
    expect(lineBaud(schema.parse({ devices: [xor, kerong] }).devices)).toBeUndefined();
  });

  test('the schema can be written as JSON Schema', () => {
    const json = z.toJSONSchema(schema, { io: 'input' });
    expect(JSON.stringify(json)).toContain('item_sensors');
  });
});
