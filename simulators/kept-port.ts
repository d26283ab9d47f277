/**
 * TCP ports for servers that go away and come back on the same one.
 *
 * A port that the kernel gave is the kernel's again as soon as nobody listens: the next socket of anybody may get it, and
 * a client that keeps trying it can even meet itself. The ports here lie below the range from which the kernel gives.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { LatchkeyError } from '../src/base/errors.ts';

const LOWEST = 10_000;
const TRIES_MAX = 100;
/** Linux's own first port, ip(7), where the file cannot be read. */
const FIRST_GIVEN = 32_768;

/** A port of 127.0.0.1 that nobody listens on and that the kernel gives to nobody. */
export async function keptPort(): Promise<number> {
  const end = Math.max(LOWEST + 1, firstGiven());
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(LOWEST, end);
    if (await isFree(port)) return port;
  }
  throw new LatchkeyError('INTERNAL', `no port of 127.0.0.1 from ${LOWEST} to ${end} is free`);
}

function firstGiven(): number {
  try {
    const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/);
    return Number(first) || FIRST_GIVEN;
  } catch {
    return FIRST_GIVEN;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
