/**
 * A cable at the speed of a real line: between a pseudo-terminal that the gateway opens and another that a device holds, whole writes
 * arrive when their last bit would have. Also a stop-watch: from the first bit of a question to the last of its answer.
 */
import { SerialPort } from 'serialport';
import { openPty } from '../../simulators/line/pty.ts';

const BITS_PER_BYTE = 10;
/** Timers are late by up to so much; the rest of a wait is spun away. */
const TIMER_LATE_MS = 1.5;

export interface Exchange {
  readonly ms: number;
  /** Since the question before. */
  readonly apartMs: number;
  readonly bytesOut: number;
  readonly bytesBack: number;
}

export interface PacedCable {
  readonly path: string;
  /** Answered questions since the last call. */
  take(): readonly Exchange[];
  close(): Promise<void>;
}

export async function openPacedCable(devicePath: string, baud: number): Promise<PacedCable> {
  const pty = await openPty();
  const device = await openDevice(devicePath);
  const watch = new StopWatch();
  const there = new OneWay(baud, (chunk) => void device.write(Buffer.from(chunk)));
  const back = new OneWay(baud, (chunk) => {
    watch.answered(chunk.length);
    pty.send(chunk);
  });
  pty.listen((chunk) => {
    watch.asked(chunk.length);
    there.push(chunk);
  });
  device.on('data', (chunk: Buffer) => back.push(new Uint8Array(chunk)));
  return {
    path: pty.path,
    take: () => watch.take(),
    async close() {
      there.stop();
      back.stop();
      await pty.hangUp();
      await new Promise<void>((done) => device.close(() => done()));
    },
  };
}

class StopWatch {
  #done: Exchange[] = [];
  #askedAtMs = 0;
  #apartMs = 0;
  #answeredAtMs = 0;
  #bytesOut = 0;
  #bytesBack = 0;

  /** Pieces of one question belong together until something of its answer is there. */
  asked(bytes: number): void {
    const nowMs = performance.now();
    if (this.#bytesOut > 0 && this.#bytesBack === 0) {
      this.#bytesOut += bytes;
      return;
    }
    if (this.#bytesBack > 0) this.#end();
    this.#apartMs = nowMs - this.#askedAtMs;
    this.#askedAtMs = nowMs;
    this.#bytesOut = bytes;
    this.#bytesBack = 0;
  }

  answered(bytes: number): void {
    this.#answeredAtMs = performance.now();
    this.#bytesBack += bytes;
  }

  take(): readonly Exchange[] {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  #end(): void {
    const ms = this.#answeredAtMs - this.#askedAtMs;
    this.#done.push({ ms, apartMs: this.#apartMs, bytesOut: this.#bytesOut, bytesBack: this.#bytesBack });
  }
}

/** One direction: bytes follow each other, and arrive together when the last of a write has passed. */
class OneWay {
  readonly #byteMs: number;
  readonly #deliver: (chunk: Uint8Array) => void;
  #freeAtMs = 0;
  #stopped = false;

  constructor(baud: number, deliver: (chunk: Uint8Array) => void) {
    this.#byteMs = (BITS_PER_BYTE * 1_000) / baud;
    this.#deliver = deliver;
  }

  push(chunk: Uint8Array): void {
    this.#freeAtMs = Math.max(performance.now(), this.#freeAtMs) + chunk.length * this.#byteMs;
    this.#at(this.#freeAtMs, chunk);
  }

  stop(): void {
    this.#stopped = true;
  }

  #at(dueMs: number, chunk: Uint8Array): void {
    const waitMs = dueMs - performance.now();
    if (this.#stopped) return;
    if (waitMs <= 0) this.#deliver(chunk);
    else if (waitMs > 2 * TIMER_LATE_MS) setTimeout(() => this.#at(dueMs, chunk), waitMs - TIMER_LATE_MS);
    else setImmediate(() => this.#at(dueMs, chunk));
  }
}

function openDevice(path: string): Promise<SerialPort> {
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate: 115_200, lock: false, hupcl: false }, (error) => {
      if (error === null) resolve(port);
      else reject(error);
    });
    port.on('error', () => undefined);
  });
}
