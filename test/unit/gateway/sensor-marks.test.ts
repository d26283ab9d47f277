import { expect, test } from 'vitest';
import type { DeviceReading } from '../../../src/edge/contracts/reading.ts';
import { SensorMarks } from '../../../src/edge/gateway/sensor-marks.ts';

const observed = { wallMs: 0, upMs: 1, clock: { src: 'none' as const } };
const claim = { session: `${'B'.repeat(21)}A`, boot: 7, key: 3, identity: '4c4b570102030405', version: '1.2.3' };
const device = (state: DeviceReading['state'], more: object = {}): DeviceReading => {
  return { kind: 'device', device: 'bank', observed, state, reason: 'authenticated', ...more };
};
const opened = { type: 'door.opened', device: 'bank', compartment: 'A1', data: { channel: 1, unwatched_ms: 5 } };
const sensor = { boot: 7, session: claim.session };

test('what an authenticated device sensed is marked, from found to lost and no longer', () => {
  const marks = new SensorMarks();
  expect(marks.mark(opened)).toBe(opened);
  marks.note(device('found', { sensor: claim }));
  const marked = marks.mark(opened);
  expect(marked.data).toEqual({ channel: 1, sensor, unwatched_ms: 5 });
  // In the order of names, in which the leaf is written.
  expect(Object.keys(marked.data)).toEqual(['channel', 'sensor', 'unwatched_ms']);
  marks.note(device('lost'));
  expect(marks.mark(opened)).toBe(opened);
});

test('a device that is found without proof is not marked, whatever was proved before', () => {
  const marks = new SensorMarks();
  marks.note(device('found', { sensor: claim }));
  marks.note(device('found'));
  expect(marks.mark(opened)).toBe(opened);
});

test('device.found says what was proved; conclusions, other devices and findings of the gateway say nothing', () => {
  const marks = new SensorMarks();
  marks.note(device('found', { sensor: claim }));
  const found = marks.mark({ type: 'device.found', device: 'bank', data: { reason: 'authenticated' } });
  expect(found.data['sensor']).toEqual({ ...sensor, key: 3, version: '1.2.3' });
  const others = [
    { ...opened, device: 'other' },
    { ...opened, type: 'parcel.deposited' },
    { type: 'tamper.raised', device: 'bank', data: { input: 'line_forged' } },
  ];
  for (const body of others) expect(marks.mark(body)).toBe(body);
  const tampered = marks.mark({ type: 'tamper.raised', device: 'bank', data: { input: 'tamper_a' } });
  expect(tampered.data['sensor']).toEqual(sensor);
});
