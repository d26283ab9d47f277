/** A line in memory: a port, boards that answer by script, and time turned by hand. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { Port, PortListener, PortState, PortTrouble } from '../../../src/edge/contracts/port.ts';
import type {
  BoardReading,
  DeviceReading,
  LineReading,
  Reading,
  ScanReading,
} from '../../../src/edge/contracts/reading.ts';
import { createLine } from '../../../src/edge/drivers/create-line.ts';
import type { Cut } from '../../../src/edge/drivers/frame-cutter.ts';
import type { Line, LineParts } from '../../../src/edge/drivers/line.ts';
import { type LineSettings, lineShape } from '../../../src/edge/drivers/settings.ts';

export interface FrameVector {
  readonly family: string;
  readonly name: string;
  readonly hex: string;
  readonly role: 'master' | 'board';
}

const vectorFile = new URL('../../vectors/lock-board-frames.json', import.meta.url);

export function vectorsOf(family: string): readonly FrameVector[] {
  const { frames } = JSON.parse(readFileSync(vectorFile, 'utf8')) as { readonly frames: readonly FrameVector[] };
  return frames.filter((frame) => frame.family === family);
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.split(' ').map((byte) => Number.parseInt(byte, 16)));
}

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');
}

/** Frames in order and skipped bytes by reason: what must not depend on how the line cuts the bytes. */
export function summary(cuts: readonly Cut[]): { frames: string[]; skipped: Record<string, number> } {
  const skipped: Record<string, number> = {};
  const frames: string[] = [];
  for (const cut of cuts) {
    if (cut.kind === 'frame') frames.push(hexOf(cut.frame));
    else skipped[cut.reason] = (skipped[cut.reason] ?? 0) + cut.sizeBytes;
  }
  return { frames, skipped };
}

/** Group reply of an 8A/80 board, lowest group last, by the documents and apart from the driver. */
export function groupReply(address: number, ...states: readonly number[]): Uint8Array {
  const frame = [0x80, address, ...states, 0x33];
  return Uint8Array.of(
    ...frame,
    frame.reduce((xor, byte) => xor ^ byte),
  );
}

/** Status reply of a KERONG board. */
export function kerongReply(address: number, hook: number, ir = 0): Uint8Array {
  const frame = [0x02, address * 16, 0x35, hook & 255, hook >> 8, ir & 255, ir >> 8, 0x03];
  return Uint8Array.of(...frame, frame.reduce((total, byte) => total + byte) % 256);
}

export class FakePort implements Port {
  readonly name = 'bank';
  state: PortState = 'opening';
  readonly written: Uint8Array[] = [];
  readonly reopened: string[] = [];
  /** Called for each request; answers by calling `hear`, at once or later. */
  onWrite: (bytes: Uint8Array) => void = () => undefined;
  writeFails = false;
  #listener: PortListener | undefined;

  start(listener: PortListener): void {
    this.#listener = listener;
  }

  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.writeFails || this.state !== 'open') throw new LatchkeyError('PORT_UNAVAILABLE', 'not open');
    this.written.push(bytes);
    this.onWrite(bytes);
  }

  reopen(reason: string): void {
    this.reopened.push(reason);
    this.become('lost', reason, 'PORT_UNAVAILABLE');
    this.become('open');
  }

  async close(): Promise<void> {
    this.become('closed');
  }

  become(state: PortState, reason = 'by the test', trouble?: PortTrouble): void {
    this.state = state;
    this.#listener?.state(state, reason, trouble);
  }

  hear(bytes: Uint8Array): void {
    this.#listener?.bytes(bytes);
  }
}

export interface TestLine {
  readonly line: Line;
  readonly port: FakePort;
  readonly scheduler: ManualScheduler;
  readonly metrics: MemoryMetrics;
  readonly readings: Reading[];
  boards(device?: string): readonly BoardReading[];
  devices(device?: string): readonly DeviceReading[];
  scans(): readonly ScanReading[];
  lines(): readonly LineReading[];
  /** Turns time in steps, and lets promises run between them. */
  run(forMs: number, stepMs?: number): Promise<void>;
  /** Calls back later on the turned clock. */
  later(afterMs: number, callback: () => void): void;
}

const lineSchema = z.strictObject(lineShape);

export function lineSettings(settings: z.input<typeof lineSchema>): LineSettings {
  return lineSchema.parse(settings);
}

export function testLine(settings: z.input<typeof lineSchema>, baud = 115_200): TestLine {
  return testLineOf((parts) => createLine({ ...parts, settings: lineSettings(settings), baud }));
}

export function testLineOf(make: (parts: LineParts) => Line): TestLine {
  const scheduler = new ManualScheduler();
  const port = new FakePort();
  const metrics = new MemoryMetrics();
  const readings: Reading[] = [];
  const observer = {
    observe: () => ({
      wallMs: scheduler.wallMs(),
      upMs: Math.floor(scheduler.monotonicMs()),
      clock: { src: 'none' as const },
    }),
  };
  const line = make({
    port,
    sink: (reading) => readings.push(reading),
    observer,
    scheduler,
    logger: silentLogger,
    metrics,
  });
  line.start();
  const of = (reading: BoardReading | DeviceReading, device: string | undefined): boolean =>
    device === undefined || reading.device === device;
  return {
    line,
    port,
    scheduler,
    metrics,
    readings,
    boards: (device) => readings.filter((reading) => reading.kind === 'board').filter((reading) => of(reading, device)),
    devices: (device) =>
      readings.filter((reading) => reading.kind === 'device').filter((reading) => of(reading, device)),
    scans: () => readings.filter((reading) => reading.kind === 'scan'),
    lines: () => readings.filter((reading) => reading.kind === 'line'),
    async run(forMs, stepMs = 1) {
      for (let passed = 0; passed < forMs; passed += stepMs) {
        scheduler.advance(Math.min(stepMs, forMs - passed));
        for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
      }
    },
    later: (afterMs, callback) => {
      scheduler.after(afterMs, callback);
    },
  };
}
