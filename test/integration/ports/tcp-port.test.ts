/** A supervised port over real TCP: a serial server that refuses, hangs up, comes back, and two owners of one server. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keptPort } from '../../../simulators/kept-port.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { Port } from '../../../src/edge/contracts/port.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { createLine } from '../../../src/edge/drivers/create-line.ts';
import { lineShape } from '../../../src/edge/drivers/settings.ts';
import { createPort } from '../../../src/edge/ports/create-port.ts';
import { portShape } from '../../../src/edge/ports/settings.ts';
import { until } from '../../support/until.ts';

/** A raw TCP serial server with whatever `onBytes` answers. */
class SerialServer {
  readonly sockets = new Set<Socket>();
  onBytes: (bytes: Uint8Array, socket: Socket) => void = () => undefined;
  #server: Server | undefined;

  async listen(port: number): Promise<number> {
    const server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('data', (bytes) => this.onBytes(bytes, socket));
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return port;
  }

  hangUp(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.hangUp();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const scheduler = systemScheduler();
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function server(): Promise<{ readonly server: SerialServer; readonly port: number }> {
  const made = new SerialServer();
  ends.push(() => made.close());
  return { server: made, port: await made.listen(await keptPort()) };
}

function portTo(port: number, settings: Record<string, unknown> = {}): Port {
  const parsed = z.strictObject(portShape).parse({
    name: 'dock',
    link: { kind: 'tcp', host: '127.0.0.1', port, backoff_max_ms: 500, ...settings },
  });
  const made = createPort({
    settings: parsed,
    baudDefault: 9_600,
    scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  });
  ends.push(() => made.close());
  return made;
}

interface Heard {
  readonly states: string[];
  readonly bytes: number[];
}

function listen(port: Port): Heard {
  const states: string[] = [];
  const bytes: number[] = [];
  port.start({
    bytes: (chunk) => bytes.push(...chunk),
    state: (state, _reason, trouble) => states.push(trouble === undefined ? state : `${state} ${trouble}`),
  });
  return { states, bytes };
}

describe('a port to a serial server', () => {
  test('bytes go both ways, and close closes', async () => {
    const far = await server();
    far.server.onBytes = (bytes, socket) => socket.write(bytes);
    const port = portTo(far.port);
    const heard = listen(port);
    await until('open', () => port.state === 'open');
    await port.write(Uint8Array.of(1, 2, 3), new AbortController().signal);
    await until('the echo', () => heard.bytes.length === 3);
    await port.close();
    await until('closed at the far end', () => far.server.sockets.size === 0);
    expect(heard.states).toEqual(['open', 'closed']);
  });

  test('a refused connection is lost, said once, and open as soon as somebody listens', async () => {
    const far = await server();
    await far.server.close();
    const port = portTo(far.port);
    const heard = listen(port);
    await until('lost', () => port.state === 'lost');
    const again = new SerialServer();
    ends.push(() => again.close());
    await again.listen(far.port);
    await until('open', () => port.state === 'open');
    expect(heard.states).toEqual(['lost PORT_UNAVAILABLE', 'open']);
  });

  test('a server that hangs up eight times is there again each time', async () => {
    const far = await server();
    const port = portTo(far.port);
    const heard = listen(port);
    for (let round = 1; round <= 8; round += 1) {
      await until('open', () => port.state === 'open' && far.server.sockets.size === 1);
      far.server.hangUp();
      await until('lost', () => heard.states.filter((state) => state.startsWith('lost')).length === round);
    }
    await until('open', () => port.state === 'open');
    expect(heard.states.filter((state) => state === 'open')).toHaveLength(9);
  });

  test('two owners of one server: the second is refused by name, and has it once the first is gone', async () => {
    const far = await server();
    const first = portTo(far.port);
    listen(first);
    await until('open', () => first.state === 'open');
    const second = portTo(far.port);
    const heard = listen(second);
    await until('refused', () => heard.states.length === 1);
    expect(heard.states).toEqual(['lost PORT_BUSY']);
    expect(far.server.sockets.size).toBe(1);
    await first.close();
    await until('open', () => second.state === 'open');
  });

  test('boards behind a serial server are polled, lost with it and found again', async () => {
    const far = await server();
    far.server.onBytes = answer;
    // A server that the machine holds up for a moment has not lost its boards.
    const { readings, changes } = polled(far.port, { reply_timeout_ms: 500 });
    const boards = (): number => readings.filter((reading) => reading.kind === 'board').length;
    await until('readings', () => boards() >= 3);
    far.server.hangUp();
    await until('lost', () => changes().length === 2);
    const before = boards();
    await until('more readings', () => boards() >= before + 3);
    expect(changes()).toEqual(['found answered', 'lost port_lost', 'found answered']);
  });

  test('a connection that is dead and does not say so is given up for a new one', async () => {
    const far = await server();
    far.server.onBytes = answer;
    const { changes } = polled(far.port, { liveness_ms: 2_000 });
    await until('found', () => changes().length === 1);
    const [dead] = far.server.sockets;
    far.server.onBytes = (bytes, socket) => {
      if (socket !== dead) answer(bytes, socket);
    };
    await until('found on a new connection', () => changes().length >= 3);
    expect(changes().slice(0, 3)).toEqual(['found answered', 'lost port_lost', 'found answered']);
  });
});

const REPLY = Uint8Array.of(0x80, 0x01, 0xff, 0xff, 0xff, 0x33, 0x4d);

/** One byte a segment: segments are not frames. */
function answer(request: Uint8Array, socket: Socket): void {
  if (request.length === 5) for (const byte of REPLY) socket.write(Uint8Array.of(byte));
}

function polled(
  port: number,
  poll: z.input<typeof lineShape.poll>,
): { readonly readings: Reading[]; readonly changes: () => readonly string[] } {
  const readings: Reading[] = [];
  const observer = {
    observe: () => ({
      wallMs: scheduler.wallMs(),
      upMs: Math.floor(scheduler.monotonicMs()),
      clock: { src: 'none' as const },
    }),
  };
  const line = createLine({
    port: portTo(port),
    settings: z.strictObject(lineShape).parse({
      poll: { cycle_ms: 100, ...poll },
      devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1 }],
    }),
    baud: 9_600,
    sink: (reading) => readings.push(reading),
    observer,
    scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  });
  ends.push(() => line.stop());
  line.start();
  const changes = (): readonly string[] =>
    readings.filter((reading) => reading.kind === 'device').map((reading) => `${reading.state} ${reading.reason}`);
  return { readings, changes };
}
