/** Somebody on the wires of a TPM, with tpm2-tools or raw packets as the client. */
import { symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type Interposer, startInterposer } from '../../../simulators/tpm/interposer.ts';
import { askTpm, packetCode } from '../../../simulators/tpm/packets.ts';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { tpm2 } from '../../support/tpm-tools.ts';
import { until } from '../../support/until.ts';

const GET_RANDOM = bytes('80010000000c0000017b0008');
const LIMIT_MS = 20_000;

let dir: TempDir;
let tpm: SimulatedTpm;
let bus: Interposer;
let count = 0;

beforeAll(async () => {
  dir = makeTempDir('tpm-bus');
  tpm = await openSimulatedTpm({ dir: dir.file('one') });
});

afterAll(async () => {
  await tpm.powerOff();
  dir.remove();
});

beforeEach(async () => {
  count += 1;
  bus = await startInterposer({ tpm: tpm.address, socketPath: dir.file(`bus-${count}`) });
  // tpm2-tools ask the control channel for their locality before they speak.
  const control = dir.file(`bus-${count}.ctrl`);
  if (tpm.address.kind === 'unix') symlinkSync(`${tpm.address.path}.ctrl`, control);
  return () => bus.close();
});

function bytes(text: string): Uint8Array {
  return unhex(text) ?? new Uint8Array(0);
}

function onBus(): { readonly tcti: string } {
  return { tcti: bus.address.kind === 'unix' ? `swtpm:path=${bus.address.path}` : '' };
}

test('untouched, client and TPM notice nothing, and every byte is recorded', async () => {
  const response = await askTpm(bus.address, GET_RANDOM, LIMIT_MS);
  expect(packetCode(response)).toBe(0);
  expect(bus.records).toEqual([
    { direction: 'command', connection: 0, bytes: GET_RANDOM, passed: GET_RANDOM },
    { direction: 'response', connection: 0, bytes: response, passed: response },
  ]);
});

test('a secret that a client sends in the clear is seen, another is not', async () => {
  await tpm2(onBus(), 'nvdefine', '0x1800002', '-C', 'o', '-s', '16', '-p', 'open sesame', '-a', 'authread|authwrite');
  expect(bus.saw(utf8('open sesame'))).toBe(true);
  expect(bus.saw(utf8('open barley'))).toBe(false);
});

test('a record that is not whole cannot be searched', async () => {
  const small = await startInterposer({ tpm: tpm.address, socketPath: dir.file('small'), recordBytesMax: 30 });
  onTestFinished(() => small.close());
  expect(() => small.saw(utf8('x'))).toThrow(/something went over/);
  await askTpm(small.address, GET_RANDOM, LIMIT_MS);
  expect(small.forgotten).toBe(1);
  expect(() => small.saw(utf8('x'))).toThrow(/whole/);
});

test('a changed command reaches the TPM changed, a changed response the client', async () => {
  bus.meddle({ command: () => ({ kind: 'replace', bytes: bytes('80010000000c0000017b0004') }) });
  expect((await askTpm(bus.address, GET_RANDOM, LIMIT_MS)).length).toBe(16);
  bus.meddle({
    response: (response) => {
      const flipped = response.slice();
      flipped[12] = (flipped[12] ?? 0) ^ 1;
      return { kind: 'replace', bytes: flipped };
    },
  });
  const got = await askTpm(bus.address, GET_RANDOM, LIMIT_MS);
  const last = bus.records.at(-1);
  expect(hex(got)).toBe(hex(last?.passed ?? GET_RANDOM));
  expect((last?.bytes[12] ?? 0) ^ (got[12] ?? 0)).toBe(1);
});

test('the meddler is told which command a response answers', async () => {
  const told: [string, number][] = [];
  bus.meddle({
    response: (_response, command, index) => {
      told.push([hex(command), index]);
      return { kind: 'pass' };
    },
  });
  await askTpm(bus.address, GET_RANDOM, LIMIT_MS);
  await askTpm(bus.address, bytes('80010000000a00000181'), LIMIT_MS);
  expect(told).toEqual([
    [hex(GET_RANDOM), 0],
    ['80010000000a00000181', 1],
  ]);
});

test('a dropped command is not executed and not answered; the next one on the connection is', async () => {
  bus.meddle({ command: (_command, index) => ({ kind: index === 0 ? 'drop' : 'pass' }) });
  const client = connect({ path: dir.file(`bus-${count}`) });
  onTestFinished(() => void client.destroy());
  const answers: Buffer[] = [];
  client.on('data', (chunk: Buffer) => answers.push(chunk));
  client.write(GET_RANDOM);
  await until('the drop', () => bus.records.length === 1);
  client.write(bytes('80010000000a00000181'));
  await until('an answer', () => answers.length > 0, LIMIT_MS);
  // TPM2_ReadClock answers 35 bytes, TPM2_GetRandom 20.
  expect(Buffer.concat(answers).length).toBe(35);
  expect(bus.records.map(({ direction, passed }) => [direction, passed.length])).toEqual([
    ['command', 0],
    ['command', 10],
    ['response', 35],
  ]);
});

test('a delayed response comes late, and whole', async () => {
  bus.meddle({ response: () => ({ kind: 'delay', delayMs: 300 }) });
  const startMs = performance.now();
  expect(packetCode(await askTpm(bus.address, GET_RANDOM, LIMIT_MS))).toBe(0);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(295);
});

test('a response cut in the middle ends the connection, and the next connection is served', async () => {
  bus.meddle({ response: (_response, _command, index) => ({ kind: index === 0 ? 'cut' : 'pass', afterBytes: 7 }) });
  const client = connect({ path: dir.file(`bus-${count}`) });
  const got: Buffer[] = [];
  client.on('data', (chunk: Buffer) => got.push(chunk));
  const closed = new Promise((resolve) => client.once('close', resolve));
  client.write(GET_RANDOM);
  await closed;
  expect(Buffer.concat(got).length).toBe(7);
  expect(packetCode(await askTpm(bus.address, GET_RANDOM, LIMIT_MS))).toBe(0);
});

test('when the TPM loses its power the client on the bus is disconnected, and can come again', async () => {
  const client = connect({ path: dir.file(`bus-${count}`) });
  const closed = new Promise((resolve) => client.once('close', resolve));
  client.write(GET_RANDOM);
  await new Promise((resolve) => client.once('data', resolve));
  await tpm.powerCut();
  await closed;
  expect(packetCode(await askTpm(bus.address, GET_RANDOM, LIMIT_MS))).toBe(0);
});
