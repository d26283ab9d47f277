/** Cables that are pulled, and lines full of noise, at a real daemon: the same code for `npm test` and the campaign. */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { openPtyCable } from '../../../simulators/line/pty-cable.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { until } from '../../support/until.ts';
import { watchMemory } from './backlog.ts';
import type { Rig } from './rig.ts';

export const USB_SCANNER = 'scanner-usb';
const LIMIT_MS = 60_000;

/** Every event that the consumer holds, in the order of the log. */
export function storedEvents(rig: Rig): readonly CustodyEvent[] {
  return rig.stored().flatMap((log) => log.entries.map(({ line }) => JSON.parse(line) as CustodyEvent));
}

export function textPort(name: string, scanner: string, link: object): object {
  const device = { driver: 'text_scanner', name: scanner, suffix: 'crlf', settle_ms: 0 };
  return { name, link: { ...link, backoff_max_ms: 250 }, devices: [device] };
}

/** Starts the rig's daemon anew with more ports. */
export async function startWithPorts(rig: Rig, ports: readonly object[]): Promise<void> {
  if (rig.gateway.running) await rig.gateway.stop();
  const settings = rig.gatewaySettings as { readonly ports: readonly object[] };
  rig.gatewaySettings = { ...settings, ports: [...settings.ports, ...ports] };
  rig.newGateway('gw-rig');
  await rig.startGateway();
}

export interface Replugged {
  /** Kernel names under which the device was there, in order. */
  readonly names: readonly string[];
  /** From plugging in to the daemon's word that the port is open. */
  readonly backMs: readonly number[];
  /** Scans that were made on this line, in order. */
  readonly scans: readonly string[];
}

/** Unplugs and plugs a scanner on a pseudo-terminal, with a scan before and after each time, and waits for each. */
export async function replug(rig: Rig, rounds: number): Promise<Replugged> {
  const cable = await openPtyCable(join(rig.dir.path, 'by-id', 'scanner'), () => undefined);
  try {
    await startWithPorts(rig, [textPort('usb', USB_SCANNER, { kind: 'serial', path: cable.address })]);
    const names = [cable.devicePath()];
    const backMs: number[] = [];
    const scans: string[] = [];
    const state = (wanted: string) =>
      rig.statusUntil(`the port is ${wanted}`, ({ lines }) =>
        lines.some((line) => line.port === 'usb' && line.state === wanted),
      );
    const scan = async (): Promise<void> => {
      const text = `USB-${String(scans.length + 1).padStart(4, '0')}`;
      scans.push(text);
      cable.send(new TextEncoder().encode(`${text}\r\n`));
      await until(`${text} is stored`, () => storedEvents(rig).some(({ data }) => data['text'] === text), LIMIT_MS);
    };
    await state('open');
    await scan();
    for (let round = 0; round < rounds; round += 1) {
      await cable.unplug();
      await state('lost');
      const fromMs = performance.now();
      await cable.plug();
      await state('open');
      backMs.push(performance.now() - fromMs);
      names.push(cable.devicePath());
      await scan();
    }
    await rig.settle();
    return { names, backMs, scans };
  } finally {
    await cable.close();
  }
}

/** What is wrong with how the log tells of it; empty when each gap is there, with the last sign of life before it. */
export function judgeReplugged(events: readonly CustodyEvent[], { names, scans }: Replugged): readonly string[] {
  const faults: string[] = [];
  for (const [i, name] of names.entries()) if (name === names[i - 1]) faults.push(`${name} came back under its name`);
  const own = events.filter(({ device }) => device === USB_SCANNER);
  const told = own.map(({ type, data }) => (type === 'code.scanned' ? String(data['text']) : type));
  const expected = scans.flatMap((text, i) =>
    i === 0 ? ['device.found', text] : ['device.lost', 'device.found', text],
  );
  if (JSON.stringify(told) !== JSON.stringify(expected)) faults.push(`the log tells ${told.join(', ')}`);
  for (const [i, event] of own.entries()) {
    if (event.type !== 'device.lost') continue;
    const [before, after] = [own[i - 1], own[i + 1]];
    if (event.data['last_answer_up_ms'] !== before?.up_ms) faults.push(`entry ${event.n} does not say its last answer`);
    if (event.data['reason'] !== 'port_lost') faults.push(`entry ${event.n} says ${String(event.data['reason'])}`);
    if (after !== undefined && after.up_ms < event.up_ms) faults.push(`entry ${after.n} is earlier than its gap`);
  }
  return faults;
}

export interface Noise {
  readonly sentBytes: number;
  /** Resident MiB: after the first part, and the highest of the rest. */
  readonly firstMib: number;
  readonly maxMib: number;
  /** Entries that came of it while it lasted. */
  readonly entries: number;
}

const PART = 65_536;
const FIRST_PARTS = 8;
const CR = 0x0d;

/** A line that anybody can be at the other end of. */
export interface LoudLine {
  readonly port: number;
  readonly peer: () => Socket | undefined;
  close(): Promise<void>;
}

export async function openLoudLine(): Promise<LoudLine> {
  let peer: Socket | undefined;
  const server = createServer((socket) => {
    peer = socket;
    socket.on('error', () => undefined);
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    peer: () => peer,
    async close() {
      peer?.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Random bytes without a terminator into each line, as fast as the daemon reads them. */
export async function makeNoise(
  rig: Rig,
  lines: readonly LoudLine[],
  sizeBytes: number,
  random: () => number,
): Promise<Noise> {
  const entriesBefore = (await rig.statusUntil('the daemon answers', () => true)).log.entries;
  const noise = Uint8Array.from({ length: PART + 4_099 }, () => {
    const byte = Math.floor(random() * 256);
    return byte === CR ? 0x0e : byte;
  });
  const parts = Math.ceil(sizeBytes / PART);
  const memory = watchMemory(rig.gateway.pid);
  let firstMib = 0;
  for (let part = 0; part < parts; part += 1) {
    const at = Math.floor(random() * 4_099);
    await Promise.all(lines.map((line) => written(line, noise.subarray(at, at + PART))));
    if (part === FIRST_PARTS) firstMib = memory.takeMax();
  }
  await until('the daemon has read all of it', () => lines.every(({ port }) => queuedBytes(port) === 0), LIMIT_MS);
  const maxMib = memory.takeMax();
  memory.stop();
  const { log } = await rig.statusUntil('the daemon answers', () => true);
  return { sentBytes: parts * PART, firstMib, maxMib, entries: log.entries - entriesBefore };
}

async function written(line: LoudLine, bytes: Uint8Array): Promise<void> {
  await until('the line is connected', () => line.peer()?.destroyed === false, LIMIT_MS);
  await new Promise<void>((resolve) => line.peer()?.write(bytes, () => resolve()));
}

/** Bytes that the kernel holds in connections of this port, in both directions and at both ends (proc(5)). */
function queuedBytes(port: number): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  return rows.reduce((sum, row) => {
    const [, local = '', remote = '', state = '', queues = ''] = row.trim().split(/ +/);
    if (state !== '01' || !(local.endsWith(wanted) || remote.endsWith(wanted))) return sum;
    return sum + queues.split(':').reduce((both, hex) => both + Number.parseInt(hex, 16), 0);
  }, 0);
}
