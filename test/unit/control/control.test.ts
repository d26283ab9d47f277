import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import { formatRequest, parseFrame, parseRequest } from '../../../src/edge/control/protocol.ts';
import { type ControlHandler, type ControlServer, startControlServer } from '../../../src/edge/control/server.ts';

let dir: string;
let socketPath: string;
const servers: ControlServer[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'latchkey-control-'));
  socketPath = join(dir, 'control.sock');
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(dir, { recursive: true });
});

async function serve(handlers: Record<string, ControlHandler>): Promise<void> {
  servers.push(await startControlServer({ socketPath, handlers, logger: silentLogger }));
}

const call = (verb: string, more = {}) => callControl({ socketPath, verb, args: {}, silenceMaxMs: 5_000, ...more });

describe('the control socket', () => {
  test('only this user and its group may open it', async () => {
    await serve({});
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
  });

  test('items, bytes and the end arrive whole and in order', async () => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
    await serve({
      async export(args, out) {
        await out.item(args);
        await out.data(bytes);
        return { size: bytes.length };
      },
    });
    const items: unknown[] = [];
    const pieces: Uint8Array[] = [];
    const done = await call('export', {
      args: { from: 3 },
      onItem: (item: unknown) => items.push(item),
      onData: (piece: Uint8Array) => void pieces.push(piece),
    });
    expect(done).toEqual({ size: bytes.length });
    expect(items).toEqual([{ from: 3 }]);
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(bytes));
  });

  test('data that its taker refuses is no fault of the daemon', async () => {
    await serve({ export: async (_, out) => out.data(Uint8Array.of(1)) });
    const closed = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    await expect(call('export', { onData: () => Promise.reject(closed) })).rejects.toBe(closed);
  });

  test('an unknown verb is answered with those that exist', async () => {
    await serve({ status: async () => ({}) });
    await expect(call('constructor')).rejects.toThrow('expected one of the verbs status');
  });

  test('a second daemon is refused by name, and a socket that nobody serves is replaced', async () => {
    await serve({ status: async () => ({ first: true }) });
    await expect(serve({})).rejects.toMatchObject({ code: 'SOCKET_BUSY' });
    await servers.pop()?.close();
    await serve({ status: async () => ({ second: true }) });
    expect(await call('status')).toEqual({ second: true });
  });

  test('a file that is no socket is left alone', async () => {
    writeFileSync(socketPath, 'precious');
    chmodSync(socketPath, 0o600);
    await expect(serve({})).rejects.toMatchObject({ code: 'SOCKET_BUSY' });
    expect(statSync(socketPath).size).toBe(8);
  });

  test('a request beyond the limit is refused, and the daemon goes on', async () => {
    await serve({ status: async () => ({ fine: true }) });
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(socketPath);
      socket.on('data', (chunk) => (text += chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
      socket.write('x'.repeat(100_000));
    });
    expect(answer).toContain('"code":"USAGE"');
    expect(await call('status')).toEqual({ fine: true });
  });

  test('a daemon that goes away in the middle is an error, not an end', async () => {
    await serve({
      tail: async (_args, out, signal) => {
        await out.item(1);
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    const asked = call('tail', { onItem: () => void servers.pop()?.close() });
    await expect(asked).rejects.toMatchObject({ code: 'SOCKET_REFUSED' });
  });

  test('a handler hears when its reader is gone', async () => {
    const gone = new Promise<void>((resolve) => {
      void serve({
        tail: async (_args, out, signal) => {
          signal.addEventListener('abort', () => resolve());
          await out.item(1);
          await new Promise(() => undefined);
        },
      }).then(() => {
        const stop = new AbortController();
        call('tail', { signal: stop.signal, onItem: () => stop.abort() }).catch(() => undefined);
      });
    });
    await gone;
  });
});

test('mutated requests are answered with a reason and never throw', () => {
  const reached = new Set<string>();
  const valid = formatRequest({ verb: 'status', args: { a: 1 } }).trim();
  const samples = fc.oneof(
    fc.constant(valid),
    fc.constantFrom('{"v":2,"verb":"a","args":{}}', '{"v":1,"verb":1,"args":{}}', '{"v":1,"verb":"a","args":{},"x":1}'),
    fc
      .tuple(fc.nat(valid.length), fc.nat(valid.length), fc.string())
      .map(([a, b, s]) => valid.slice(0, a) + s + valid.slice(b)),
    fc.string(),
    fc.json(),
  );
  fc.assert(
    fc.property(samples, (line) => {
      const parsed = parseRequest(line);
      reached.add(parsed.ok ? 'ok' : parsed.reason);
      const frame = parseFrame(line);
      if (!frame.ok) reached.add(`frame ${frame.reason}`);
    }),
    { numRuns: 100_000 },
  );
  expect([...reached].sort()).toEqual(['frame json', 'frame shape', 'json', 'ok', 'shape', 'version']);
});
