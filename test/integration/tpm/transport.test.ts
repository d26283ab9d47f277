/** What happens on the way to a TPM: slow, silent, gone, garbage; and who waits for whom. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { openPty, type Pty } from '../../../simulators/line/pty.ts';
import { startInterposer } from '../../../simulators/tpm/interposer.ts';
import { hex } from '../../../src/base/bytes.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { GetRandom, getHandles, ReadClock, Startup } from '../../../src/edge/tpm/commands/capability.ts';
import { CreatePrimary } from '../../../src/edge/tpm/commands/object.ts';
import { openTransport, type TpmAddress } from '../../../src/edge/tpm/open-transport.ts';
import { TPM_CC, TPM_HT } from '../../../src/tpm2/algorithms.ts';
import { akTemplate } from '../../../src/tpm2/templates.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';
import {
  clientOn,
  ENDORSEMENT,
  expectNothingLoaded,
  failureOf,
  makeTpm,
  protectedRun,
  provisionSrk,
} from './support/bench.ts';

const NO_POINT = { x: new Uint8Array(0), y: new Uint8Array(0) };
/** A limit that runs out in tests of silence; all others must not depend on it. */
const SHORT = { ordinaryMs: 300, slowMs: 300 };

const dir = makeTempDir('tpm-transport');
const closers: (() => unknown)[] = [() => dir.remove()];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

function codeOf(command: Uint8Array): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(6);
}

/** A server that answers each piece that comes as `answer` says. */
async function liar(answer: (socket: Socket) => void): Promise<TpmAddress> {
  const path = dir.file(`liar-${closers.length}.sock`);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { kind: 'unix', path };
}

test('a TPM on TCP answers as one on a Unix socket does', async () => {
  const box = await makeTpm({ kind: 'tcp' });
  const client = clientOn(box.address);
  const salt = await provisionSrk(client);
  expect(await protectedRun(client, salt, (tpm) => GetRandom(tpm, 40))).toHaveLength(40);
});

test('where nobody listens, that is said', async () => {
  const client = clientOn({ kind: 'unix', path: dir.file('nobody.sock') });
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_UNAVAILABLE',
    message: expect.stringContaining('nobody.sock'),
  });
  const device = clientOn({ kind: 'device', path: dir.file('tpmrm9') });
  expect(await failureOf(device.run((tpm) => ReadClock(tpm)))).toMatchObject({ code: 'TPM_UNAVAILABLE' });
});

test('a TPM that is powered off in the middle of a command fails it; after power-on the next unit works', async () => {
  const box = await makeTpm();
  const bus = await startInterposer({ tpm: box.address, socketPath: dir.file('cut.sock') });
  closers.push(() => bus.close());
  const client = clientOn(bus.address);
  const salt = await provisionSrk(client);
  bus.meddle({ command: (command) => ({ kind: codeOf(command) === TPM_CC.GetRandom ? 'drop' : 'pass' }) });
  const asked = bus.records.length;
  const failure = failureOf(protectedRun(client, salt, (tpm) => GetRandom(tpm, 8)));
  await until('the command is under way', () =>
    bus.records
      .slice(asked)
      .some(({ bytes, direction }) => direction === 'command' && codeOf(bytes) === TPM_CC.GetRandom),
  );
  await box.powerOff();
  expect(await failure).toMatchObject({ code: 'TPM_UNAVAILABLE' });
  bus.meddle();
  expect(await failureOf(protectedRun(client, salt, (tpm) => GetRandom(tpm, 8)))).toMatchObject({
    code: 'TPM_UNAVAILABLE',
  });
  await box.start();
  expect(await protectedRun(client, salt, (tpm) => GetRandom(tpm, 8))).toHaveLength(8);
});

test('a silent TPM runs into the limit; when it speaks again the next unit works', async () => {
  const box = await makeTpm();
  const client = clientOn(box.address, { times: SHORT });
  box.pause();
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_UNAVAILABLE',
    message: expect.stringContaining('no answer in 300 ms'),
  });
  box.resume();
  const patient = clientOn(box.address);
  await client.close();
  await patient.run((tpm) => ReadClock(tpm));
});

test('a TPM that is reset under a unit of work fails it, and says that it awaits Startup', async () => {
  const box = await makeTpm();
  const client = clientOn(box.address);
  const salt = await provisionSrk(client);
  const before = await client.run((tpm) => ReadClock(tpm));
  const work = protectedRun(client, salt, async (tpm) => {
    await GetRandom(tpm, 8);
    await box.reset({ startup: 'none' });
    await GetRandom(tpm, 8);
  });
  expect(await failureOf(work)).toMatchObject({ code: 'TPM_UNAVAILABLE', rc: { name: 'INITIALIZE' } });
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({ rc: { remedy: 'startup' } });
  expect(await client.run((tpm) => Startup(tpm, 'clear'))).toBe(true);
  const after = await protectedRun(client, salt, (tpm) => ReadClock(tpm));
  expect(after.resetCount).toBe(before.resetCount + 1);
  // Reset and started again in the middle of a unit: its session is gone.
  const gone = protectedRun(client, salt, async (tpm) => {
    await box.reset({ startup: 'none' });
    await tpm.callBare({ command: 'Startup', parameters: Uint8Array.of(0, 0) });
    await GetRandom(tpm, 8);
  });
  expect(await failureOf(gone)).toMatchObject({ code: 'TPM_BUSY', rc: { name: 'REFERENCE_S0', remedy: 'resource' } });
  await expectNothingLoaded(client);
});

test('a slow TPM is waited for', async () => {
  const box = await makeTpm();
  const bus = await startInterposer({ tpm: box.address, socketPath: dir.file('slow.sock') });
  closers.push(() => bus.close());
  const client = clientOn(bus.address);
  bus.meddle({ response: () => ({ kind: 'delay', delayMs: 100 }) });
  await client.run((tpm) => ReadClock(tpm));
});

test('an answer that is cut off, and one that was lost after the TPM obeyed, leave nothing loaded', async () => {
  const box = await makeTpm();
  const bus = await startInterposer({ tpm: box.address, socketPath: dir.file('lost.sock') });
  closers.push(() => bus.close());
  const client = clientOn(bus.address);
  for (const afterBytes of [0, 1, 9, 40]) {
    bus.meddle({
      response: (_response, command) =>
        codeOf(command) === TPM_CC.CreatePrimary ? { kind: 'cut', afterBytes } : { kind: 'pass' },
    });
    const work = client.run((tpm) => CreatePrimary(tpm, ENDORSEMENT, akTemplate(NO_POINT)));
    expect(await failureOf(work)).toMatchObject({ code: 'TPM_UNAVAILABLE' });
    bus.meddle();
    await expectNothingLoaded(client);
  }
  // That the TPM had indeed loaded it each time: the next unit found it, and flushed it.
  const commands = bus.records.filter(({ direction }) => direction === 'command');
  expect(commands.filter(({ bytes }) => codeOf(bytes) === TPM_CC.FlushContext)).toHaveLength(4);
});

test.each([
  ['response_short', [0x80, 1, 0, 0, 0, 5, 0, 0, 0, 0]],
  ['response_long', [0x80, 1, 0, 0, 0x10, 1, 0, 0, 0, 0]],
  ['response_size', [0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0]],
  ['response_tag', [0x80, 3, 0, 0, 0, 10, 0, 0, 0, 0]],
  ['response_failure_body', [0x80, 1, 0, 0, 0, 11, 0, 0, 1, 0, 0]],
  ['response_fields', [0x80, 1, 0, 0, 0, 11, 0, 0, 0, 0, 7]],
] as const)('garbage is refused as %s', async (reason, bytes) => {
  const address = await liar((socket) => socket.write(Uint8Array.from(bytes)));
  expect(await failureOf(clientOn(address).run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_TAMPERED',
    reason,
  });
});

test('bytes that nobody asked for end the connection', async () => {
  const header = Uint8Array.of(0x80, 1, 0, 0, 0, 10, 0, 0, 0x01, 0x43);
  const address = await liar((socket) => {
    socket.write(header);
    setTimeout(() => socket.write(header), 5);
  });
  const transport = openTransport(address, systemScheduler());
  let refused: unknown;
  // The second answer comes between two commands, or else as the answer to the next one: then once more.
  for (let i = 0; i < 500 && refused === undefined; i += 1) {
    refused = await transport.send(header, { timeoutMs: 10_000 }).then(
      () => new Promise<undefined>((resolve) => setTimeout(resolve, 20, undefined)),
      (error: unknown) => error,
    );
  }
  expect(refused).toMatchObject({ code: 'TPM_TAMPERED', reason: expect.stringMatching(/^response_(unasked|size)$/) });
  expect(hex(await transport.send(header, { timeoutMs: 10_000 }))).toBe(hex(header));
  await transport.close();
  expect(await failureOf(transport.send(header, { timeoutMs: 10_000 }))).toMatchObject({ code: 'TPM_UNAVAILABLE' });
});

test('a TPM that always asks to repeat is obeyed a bounded number of times', async () => {
  let asked = 0;
  const address = await liar((socket) => {
    asked += 1;
    socket.write(Uint8Array.of(0x80, 1, 0, 0, 0, 10, 0, 0, 0x09, 0x22));
  });
  const client = clientOn(address, { times: { retryFirstMs: 1, retryMaxMs: 2, retriesMax: 5 } });
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_BUSY',
    rc: { name: 'RETRY', remedy: 'retry' },
  });
  expect(asked).toBe(6);
});

test('work that is aborted in the middle of a command ends at once, and the next unit works', async () => {
  const box = await makeTpm();
  const bus = await startInterposer({ tpm: box.address, socketPath: dir.file('abort.sock') });
  closers.push(() => bus.close());
  const client = clientOn(bus.address);
  await client.run((tpm) => ReadClock(tpm));
  const stop = new AbortController();
  bus.meddle({ command: () => ({ kind: 'drop' }) });
  const seen = bus.records.length;
  const first = failureOf(client.run((tpm) => ReadClock(tpm), { signal: stop.signal }));
  const second = failureOf(client.run((tpm) => ReadClock(tpm), { signal: stop.signal }));
  await until('the command is under way', () => bus.records.length > seen);
  const reason = new Error('not wanted any more');
  stop.abort(reason);
  expect([await first, await second]).toEqual([reason, reason]);
  bus.meddle();
  await client.run((tpm) => ReadClock(tpm));
  expect(await failureOf(client.run((tpm) => ReadClock(tpm), { signal: stop.signal }))).toBe(reason);
});

test('units of work run one after the other in the order of the calls, and not too many wait', async () => {
  const box = await makeTpm();
  const client = clientOn(box.address);
  const order: number[] = [];
  const works = Array.from({ length: 30 }, (_, i) =>
    client.run(async (tpm) => {
      order.push(i);
      await CreatePrimary(tpm, ENDORSEMENT, akTemplate(NO_POINT));
      expect(await getHandles(tpm, TPM_HT.TRANSIENT)).toHaveLength(1);
      order.push(i);
    }),
  );
  await Promise.all(works);
  expect(order).toEqual(Array.from({ length: 60 }, (_, i) => Math.floor(i / 2)));
  const crowd = Array.from({ length: 80 }, () => client.run((tpm) => ReadClock(tpm)));
  const refused = (await Promise.allSettled(crowd)).filter((result) => result.status === 'rejected');
  expect(refused).toHaveLength(80 - 65);
  expect(refused[0]?.reason).toMatchObject({ code: 'TPM_BUSY' });
});

/** A pseudo-terminal in the place of the device file: one write is a command, reads give the response. */
async function deviceOn(address: TpmAddress): Promise<{ readonly pty: Pty; readonly link: string; connect(): Socket }> {
  if (address.kind !== 'unix') throw new Error('a Unix socket is expected');
  const pty = await openPty();
  const plug = (): Socket => {
    const socket = connect(address.path);
    socket.on('data', (chunk) => pty.send(Uint8Array.from(chunk as Buffer)));
    socket.on('error', () => undefined);
    return socket;
  };
  closers.push(() => pty.hangUp());
  return { pty, link: pty.path, connect: plug };
}

test('a device file takes each command in one write and gives the response', async () => {
  const box = await makeTpm();
  const device = await deviceOn(box.address);
  const socket = device.connect();
  device.pty.listen((chunk) => socket.write(chunk));
  closers.push(() => socket.destroy());
  const client = clientOn({ kind: 'device', path: device.link });
  const salt = await provisionSrk(client);
  for (let i = 0; i < 20; i += 1) {
    expect(await protectedRun(client, salt, (tpm) => GetRandom(tpm, 32))).toHaveLength(32);
  }
  await expectNothingLoaded(client);
});

test('a device file that hangs holds one thread only, and works again when its answer has come', async () => {
  const box = await makeTpm();
  const device = await deviceOn(box.address);
  const held: Uint8Array[] = [];
  let hung = true;
  const socket = device.connect();
  closers.push(() => socket.destroy());
  device.pty.listen((chunk) => (hung ? held.push(chunk) : socket.write(chunk)));
  const transport = openTransport({ kind: 'device', path: device.link }, systemScheduler());
  const client = clientOn(box.address, { transport, times: { ordinaryMs: 1_000 } });
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_UNAVAILABLE',
    message: expect.stringContaining('no answer in 1000 ms'),
  });
  expect(await failureOf(client.run((tpm) => ReadClock(tpm)))).toMatchObject({
    code: 'TPM_UNAVAILABLE',
    message: expect.stringContaining('still works on an earlier command'),
  });
  hung = false;
  await until('the command reached the other side', () => held.length > 0);
  for (const chunk of held) socket.write(chunk);
  let works = false;
  for (const endMs = performance.now() + 60_000; !works && performance.now() < endMs; ) {
    works = await client
      .run((tpm) => ReadClock(tpm))
      .then(
        () => true,
        () => new Promise<boolean>((resolve) => setTimeout(resolve, 10, false)),
      );
  }
  expect(works).toBe(true);
});
