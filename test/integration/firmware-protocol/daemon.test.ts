/** Firmware in C on a pseudo-terminal, `latchkey pair`, the real daemon and its consumer: evidence that starts at the sensor. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { join as join8 } from '../../../firmware-protocol/codec/bytes.ts';
import { lineOf, openContent, sealedHead } from '../../../firmware-protocol/codec/frame.ts';
import { OPEN_TYPES } from '../../../firmware-protocol/codec/types.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { storedEvents } from '../../process/support/cables.ts';
import { makeRig, type Rig } from '../../process/support/rig.ts';
import { startBroker } from '../../support/broker.ts';
import { runLatchkey } from '../../support/child.ts';
import { type Locker, startLocker } from '../../support/locker.ts';
import { until } from '../../support/until.ts';
import { openHub } from '../../support/wire-hub.ts';

const DEVICE = 'bank-c';
const COMPARTMENT = { name: 'C-01', device: DEVICE, channel: 1, polarity: 'closed_is_1', item_sensor: true };

let rig: Rig;
let locker: Locker;
beforeEach(async () => {
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', board: false });
  locker = await startLocker({ dir: rig.dir.path });
});
afterEach(async () => {
  await locker.stop();
  await rig.close();
});

function openWirePort(firmware: readonly string[] = [], path = locker.path): object {
  const device = { driver: 'latchkey', name: DEVICE, channels: 12, key_file: keyFile(), firmware };
  const link = { kind: 'serial', path, backoff_max_ms: 250 };
  return { name: 'wire', link, poll: { cycle_ms: 50 }, devices: [device] };
}

const keyFile = (): string => join(rig.dir.path, 'keys', `${DEVICE}.json`);

async function pair(): Promise<void> {
  const code = join(rig.dir.path, 'label');
  writeFileSync(code, `${locker.pairingCode}\n`);
  const config = rig.dir.file('gateway.yaml');
  const done = await runLatchkey(['pair', DEVICE, '--config', config, '--code-file', code]);
  expect(done, `${done.err}`).toMatchObject({ code: 0 });
  expect(done.out).toContain(`paired with ${locker.identity}, key 1`);
}

const state = (wanted: string, reason: string): Promise<unknown> =>
  rig.statusUntil(`the locker is ${wanted}, ${reason}`, ({ lines }) =>
    lines.some(({ devices }) =>
      devices.some((one) => one.name === DEVICE && one.state === wanted && one.reason === reason),
    ),
  );

const events = (type: string): readonly CustodyEvent[] =>
  storedEvents(rig).filter((event) => event.type === type && event.device === DEVICE);

async function eventually(type: string, fits: (event: CustodyEvent) => boolean = () => true): Promise<CustodyEvent> {
  await until(`${type} is stored`, () => events(type).some(fits));
  return events(type).find(fits) as CustodyEvent;
}

async function configure(port: object): Promise<void> {
  const settings = rig.gatewaySettings as { readonly ports: readonly object[] };
  const ports = [...settings.ports, port];
  rig.gatewaySettings = { ...settings, ports, custody: { compartments: [COMPARTMENT] } };
  if (rig.gateway.running) await rig.gateway.stop();
  rig.newGateway('gw-rig');
}

test('paired firmware proves itself, and what it senses is marked', async () => {
  await configure(openWirePort([locker.digest]));
  await pair();
  expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
  expect(readFileSync(keyFile(), 'utf8')).toContain(locker.identity);
  await rig.startGateway();
  await state('found', 'authenticated');
  const found = await eventually('device.found');
  expect(found.data).toMatchObject({
    reason: 'authenticated',
    identity: `${locker.identity} example 1.0.0`,
    sensor: { boot: 1, key: 1, model: 'example', version: '1.0.0', firmware: base64url(locker.digest) },
  });
  const { session } = found.data['sensor'] as { readonly session: string };
  const sensor = { boot: 1, session };

  // What was before the first reading is nobody's event.
  await rig.statusUntil('the compartment was read', ({ custody }) =>
    custody.compartments.some(({ name, door, occupied }) => name === 'C-01' && door === 'shut' && occupied === false),
  );
  // Open and shut again between two polls: each is an event of its own.
  locker.hands('door 1 open\nitem 1 1\ndoor 1 shut');
  const opened = await eventually('door.opened');
  expect(opened).toMatchObject({ compartment: 'C-01', data: { channel: 1, sensor } });
  expect((await eventually('occupancy.changed')).data).toMatchObject({ occupied: true, sensor });
  locker.hands('scan ]C0 PARCEL-0001');
  expect((await eventually('code.scanned')).data).toMatchObject({ aim: ']C0', text: 'PARCEL-0001', sensor });

  locker.hands('tamper 2 1\npower 0 0 80');
  expect((await eventually('tamper.raised')).data).toMatchObject({ input: 'tamper_b', sensor });
  expect((await eventually('power.lost')).data).toMatchObject({ source: 'mains', sensor });

  // Started anew: another boot, another session, and a gap that is told.
  locker.hands('reset');
  const lost = await eventually('device.lost');
  expect(lost.data['sensor']).toBeUndefined();
  const again = await eventually('device.found', ({ data }) => (data['sensor'] as { boot: number }).boot === 2);
  expect((again.data['sensor'] as { session: string }).session).not.toBe(session);
  await rig.settle();
});

test('a forged, a replayed, a reflected and a downgraded frame each raise tampering with the line, and change nothing else', async () => {
  const hub = await openHub({ devices: [locker.path] });
  try {
    await configure(openWirePort([], hub.path));
    await pair();
    await rig.startGateway();
    await state('found', 'authenticated');
    await eventually('device.found');
    const told = (what: string): Promise<CustodyEvent> =>
      eventually('tamper.raised', ({ data }) => data['input'] === `line_${what}`);

    // A sealed frame that the device's key did not make.
    hub.inject(lineOf(join8(sealedHead(true, 1, 99), new Uint8Array(20).fill(7))));
    // The gateway's own finding is not the sensor's.
    expect((await told('forged')).data['sensor']).toBeUndefined();

    // What device and gateway said a while ago, both sound when they were new.
    const answer = hub.fromDevices.findLast(({ frame }) => frame.sealed);
    const question = hub.fromGateway.findLast(({ frame }) => frame.sealed);
    if (answer === undefined || question === undefined) throw new Error('expected a sealed frame each way');
    const later = hub.fromDevices.length + 3;
    await until('the session went on', () => hub.fromDevices.length >= later);
    hub.inject(answer.line);
    expect((await told('replayed')).data['sensor']).toBeUndefined();
    hub.inject(question.line);
    expect((await told('reflected')).data['sensor']).toBeUndefined();
    expect(events('device.lost')).toEqual([]);
    expect(events('device.found')).toHaveLength(1);

    // Somebody is quicker than the device, and offers the label's key in the place of the one that was asked for.
    hub.onQuestion(({ frame }) => {
      if (frame.sealed || frame.type !== OPEN_TYPES.HELLO) return;
      const challenge = join8(Uint8Array.of(1, 0, 0), new Uint8Array(44).fill(9));
      hub.inject(lineOf(openContent(true, 1, OPEN_TYPES.CHALLENGE, challenge)));
    });
    locker.hands('reset');
    expect((await told('downgraded')).data['sensor']).toBeUndefined();
    // The device itself is heard all the same.
    await eventually('device.found', ({ data }) => (data['sensor'] as { boot: number }).boot === 2);
    const kinds = events('tamper.raised').map(({ data }) => data['input']);
    expect(kinds).toEqual(['line_forged', 'line_replayed', 'line_reflected', 'line_downgraded']);
    // Its switches were read before it said anything of them: a board that starts anew moved no door.
    locker.hands('scan ]C0 AFTERWARDS');
    await eventually('code.scanned', ({ data }) => data['text'] === 'AFTERWARDS');
    expect(events('door.opened')).toEqual([]);
    await rig.settle();
  } finally {
    await hub.close();
  }
});

const keyInUse = (): number =>
  (JSON.parse(readFileSync(keyFile(), 'utf8')) as { readonly current: { readonly number: number } }).current.number;
const keyOf = ({ data }: CustodyEvent): number => (data['sensor'] as { readonly key: number }).key;

test('the running gateway pairs a device and gives it another key, journals both, and so does the command without it', async () => {
  await configure(openWirePort());
  await rig.startGateway();
  await state('faulted', 'not_paired');
  const config = rig.dir.file('gateway.yaml');
  const label = rig.dir.file('label');
  writeFileSync(label, `${locker.pairingCode}\n`);
  const paired = await runLatchkey(['pair', DEVICE, '--config', config, '--code-file', label]);
  expect(paired, paired.err).toMatchObject({ code: 0 });
  expect(paired.out).toContain(`paired with ${locker.identity}, key 1; the gateway uses it already`);
  expect(paired.err).toContain('session opened with the key of the label');
  expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
  expect(keyOf(await eventually('device.found'))).toBe(1);

  // A paired device takes its label's key only while its button is pressed: it stays as it was, and is heard again.
  const refused = await runLatchkey(['pair', DEVICE, '--config', config, '--code-file', label]);
  expect(refused.code).not.toBe(0);
  expect(refused.err).toContain('press the button');
  await until('it is found again', () => events('device.found').length === 2);

  const rotated = await runLatchkey(['pair', DEVICE, '--rotate', '--json', '--config', config]);
  expect(rotated, rotated.err).toMatchObject({ code: 0 });
  expect(JSON.parse(rotated.out)).toMatchObject({ device: DEVICE, identity: locker.identity, key: 2 });
  const again = await eventually('device.found', (event) => keyOf(event) === 2);
  expect(keyInUse()).toBe(2);
  const told = storedEvents(rig).filter(({ type, device }) => device === DEVICE && type.startsWith('device.'));
  expect(told.map(({ type, data }) => `${type} ${String(data['reason'])}`)).toEqual([
    'device.faulted not_paired',
    'device.found authenticated',
    'device.lost pairing',
    'device.found authenticated',
    'device.lost pairing',
    'device.found authenticated',
  ]);
  // What it senses from then on is the new session's.
  locker.hands('scan ]C0 AFTERWARDS');
  const { session } = again.data['sensor'] as { readonly session: string };
  expect((await eventually('code.scanned')).data['sensor']).toMatchObject({ session });
  // Neither label nor keys are written down anywhere but in the key file.
  const written =
    [...rig.gateway.lines('out'), ...rig.gateway.lines('err')].join('\n') + JSON.stringify(storedEvents(rig));
  for (const group of locker.pairingCode.split('-')) expect(written).not.toContain(group);
  await rig.settle();

  await rig.gateway.stop();
  const alone = await runLatchkey(['pair', DEVICE, '--rotate', '--config', config]);
  expect(alone, alone.err).toMatchObject({ code: 0 });
  expect(alone.out).toContain('key 3; the gateway uses it from its next start on');
  expect(keyInUse()).toBe(3);
});

function base64url(hexText: string): string {
  return Buffer.from(hexText, 'hex').toString('base64url');
}
