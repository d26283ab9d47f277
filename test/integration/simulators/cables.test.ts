import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, readlink, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SerialPort } from 'serialport';
import { afterEach, describe, expect, test } from 'vitest';
import { openPtyCable } from '../../../simulators/line/pty-cable.ts';
import { openTcpCable } from '../../../simulators/line/tcp-cable.ts';
import { concatBytes, equalBytes } from '../../../src/base/bytes.ts';

const LIMIT = { timeout: 30_000, interval: 2 };
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Every byte value, in every neighbourhood that a step of 1 to 255 makes: what a line discipline would change. */
const everyByte = concatBytes(
  ...[1, 3, 7, 85, 255].map((step) => Uint8Array.from({ length: 256 }, (_, i) => (i * step) & 0xff)),
);

async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-cables-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

class Reader {
  #chunks: Uint8Array[] = [];
  readonly take = (chunk: Uint8Array): void => void this.#chunks.push(new Uint8Array(chunk));
  bytes(): Uint8Array {
    return concatBytes(...this.#chunks);
  }
}

async function openSerial(path: string): Promise<{ port: SerialPort; reader: Reader }> {
  const port = new SerialPort({ path, baudRate: 19_200, autoOpen: false, hupcl: false });
  await new Promise<void>((done, failed) => port.open((error) => (error ? failed(error) : done())));
  const reader = new Reader();
  port.on('data', reader.take);
  cleanups.push(async () => (port.isOpen ? new Promise((done) => port.close(done)) : undefined));
  return { port, reader };
}

/** A line that is there has no byte yet; one that was hung up has an end, or fails. */
async function isHungUp(line: FileHandle): Promise<boolean> {
  try {
    return (await line.read(Buffer.alloc(1), 0, 1, null)).bytesRead === 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EIO') return true;
    if (code === 'EAGAIN') return false;
    throw error;
  }
}

describe('a device on a pseudo-terminal', () => {
  test('passes every byte value unchanged both ways', async () => {
    const heard = new Reader();
    const cable = await openPtyCable(join(await tempDir(), 'by-id', 'bus'), heard.take);
    cleanups.push(() => cable.close());
    const { port, reader } = await openSerial(cable.address);
    cable.send(everyByte);
    port.write(everyByte);
    await expect.poll(() => reader.bytes().length, LIMIT).toBe(everyByte.length);
    await expect.poll(() => heard.bytes().length, LIMIT).toBe(everyByte.length);
    expect(equalBytes(reader.bytes(), everyByte)).toBe(true);
    expect(equalBytes(heard.bytes(), everyByte)).toBe(true);
  });

  test('stays when the gateway closes and opens it again', async () => {
    const cable = await openPtyCable(join(await tempDir(), 'bus'), () => undefined);
    cleanups.push(() => cable.close());
    const first = await openSerial(cable.address);
    await new Promise((done) => first.port.close(done));
    const second = await openSerial(cable.address);
    cable.send(Uint8Array.of(0x04, 0x03, 0x1c));
    await expect.poll(() => [...second.reader.bytes()], LIMIT).toEqual([0x04, 0x03, 0x1c]);
  });

  test('is unplugged and comes back under a new name behind the same link, five times', async () => {
    const heard = new Reader();
    const link = join(await tempDir(), 'bus');
    const cable = await openPtyCable(link, heard.take);
    cleanups.push(() => cable.close());
    const names = [await readlink(link)];
    for (let round = 1; round <= 5; round += 1) {
      const { port } = await openSerial(link);
      // What the kernel says of it: the library asks a line that was hung up without end when it reads a moment late, and
      // learns of it then by being closed (a gateway looks at the name beside it).
      const beside = await open(link, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
      expect(await isHungUp(beside)).toBe(false);
      await cable.unplug();
      expect(await isHungUp(beside)).toBe(true);
      await beside.close();
      if (port.isOpen) await new Promise((done) => port.close(done));
      await expect(readlink(link)).rejects.toThrow(/ENOENT/);
      cable.send(Uint8Array.of(0xff));
      await cable.plug();
      names.push(await readlink(link));
      expect(names.at(-1)).not.toBe(names.at(-2));
      const again = await openSerial(link);
      cable.send(Uint8Array.of(round));
      again.port.write(Uint8Array.of(round));
      await expect.poll(() => [...again.reader.bytes()], LIMIT).toEqual([round]);
      await expect.poll(() => heard.bytes().at(-1), LIMIT).toBe(round);
      await new Promise((done) => again.port.close(done));
    }
    expect([...heard.bytes()]).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('a device behind a serial server', () => {
  async function client(address: string): Promise<{ socket: Socket; reader: Reader; closed: Promise<void> }> {
    const [host = '', port = ''] = address.split(':');
    const socket = connect({ host, port: Number(port) });
    const reader = new Reader();
    socket.on('data', reader.take);
    socket.on('error', () => undefined);
    const closed = new Promise<void>((done) => socket.on('close', () => done()));
    cleanups.push(async () => socket.destroy());
    await new Promise((done) => socket.once('connect', done));
    return { socket, reader, closed };
  }

  test('passes every byte both ways, and takes no more clients than it is set to', async () => {
    const heard = new Reader();
    const cable = await openTcpCable({ port: 0, clientsMax: 1 }, heard.take);
    cleanups.push(() => cable.close());
    const { socket, reader } = await client(cable.address);
    await expect.poll(() => cable.clients(), LIMIT).toBe(1);
    cable.send(everyByte);
    socket.write(everyByte);
    await expect.poll(() => reader.bytes().length, LIMIT).toBe(everyByte.length);
    await expect.poll(() => heard.bytes().length, LIMIT).toBe(everyByte.length);
    expect(equalBytes(reader.bytes(), everyByte)).toBe(true);
    expect(equalBytes(heard.bytes(), everyByte)).toBe(true);
    const second = await client(cable.address);
    await second.closed;
    expect(cable.clients()).toBe(1);
  });

  test('is unplugged and comes back at the same port', async () => {
    const cable = await openTcpCable({ port: 0, clientsMax: 2 }, () => undefined);
    cleanups.push(() => cable.close());
    const { address } = cable;
    const before = await client(address);
    await expect.poll(() => cable.clients(), LIMIT).toBe(1);
    await cable.unplug();
    await before.closed;
    await cable.plug();
    expect(cable.address).toBe(address);
    const after = await client(address);
    await expect.poll(() => cable.clients(), LIMIT).toBe(1);
    cable.send(Uint8Array.of(9));
    await expect.poll(() => [...after.reader.bytes()], LIMIT).toEqual([9]);
  });
});
