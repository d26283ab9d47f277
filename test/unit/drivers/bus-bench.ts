/** Boards for tests of the bus: their questions and answers, and what is asked of a line again and again. */
import { groupReply, hexOf, type TestLine } from './support.ts';

export const XOR_1 = { driver: 'xor_8a80', name: 'board-1', address: 1, channels: 24 } as const;
export const XOR_2 = { driver: 'xor_8a80', name: 'board-2', address: 2, channels: 24 } as const;
export const POLL = { cycle_ms: 500, reply_timeout_ms: 100, turnaround_ms: 10 } as const;

export const Q1 = '80 01 00 33 B2';
export const Q2 = '80 02 00 33 B1';
export const ALL_1 = groupReply(1, 0xff, 0xff, 0xff);
export const ALL_2 = groupReply(2, 0xff, 0xff, 0xff);

/** Boards that answer `afterMs` after each request: by request, in hex. */
export function answering(
  bench: TestLine,
  replies: Readonly<Record<string, Uint8Array | undefined>>,
  afterMs = 5,
): void {
  bench.port.onWrite = (request) => {
    const reply = replies[hexOf(request)];
    if (reply !== undefined) bench.later(afterMs, () => bench.port.hear(reply));
  };
}

export function polls(bench: TestLine, request: string): number {
  return bench.port.written.filter((bytes) => hexOf(bytes) === request).length;
}

export function count(bench: TestLine, what: string): number {
  return bench.metrics.value(what, { port: 'bank' });
}

export function changes(bench: TestLine, device: string): readonly string[] {
  return bench.devices(device).map((reading) => `${reading.state} ${reading.reason}`);
}
