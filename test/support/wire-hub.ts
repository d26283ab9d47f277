/**
 * An RS-485 pair with several devices of the open wire on it, each a process on a pseudo-terminal of its own: what the gateway says
 * reaches all, answers at one time damage each other, and somebody may listen, speak, babble or pull a plug.
 */
import { SerialPort } from 'serialport';
import { FrameReceiver, type Received } from '../../firmware-protocol/codec/frame.ts';
import { openPty } from '../../simulators/line/pty.ts';

const BABBLE_EVERY_MS = 5;
const BABBLE_BYTES = 48;

type Sound = Extract<Received, { kind: 'frame' }>;

export interface WireHub {
  /** Where the gateway finds the line. */
  readonly path: string;
  /** Frames as they were heard, oldest first. */
  readonly fromGateway: readonly Sound[];
  readonly fromDevices: readonly Sound[];
  /** Bytes to the gateway, from nobody who belongs here. */
  inject(bytes: Uint8Array): void;
  /** Bytes to one device, from nobody who belongs here. */
  whisper(device: number, bytes: Uint8Array): void;
  /** Called with each frame of the gateway before a device hears it. */
  onQuestion(listener: (frame: Sound) => void): void;
  pull(device: number): void;
  plug(device: number): void;
  babble(on: boolean): void;
  close(): Promise<void>;
}

export interface HubOptions {
  /** Pseudo-terminals of the devices. */
  readonly devices: readonly string[];
  /** Answers wait so long for those of the others and are then sent as one, so that a load does not keep them apart. */
  readonly holdMs?: number;
}

export async function openHub({ devices, holdMs = 0 }: HubOptions): Promise<WireHub> {
  const pty = await openPty();
  const ports = await Promise.all(devices.map(openSlave));
  const plugged = new Set(ports.keys());
  const fromGateway: Sound[] = [];
  const fromDevices: Sound[] = [];
  const asked = new FrameReceiver();
  const answered = new FrameReceiver();
  let question: (frame: Sound) => void = () => undefined;
  let babbling: NodeJS.Timeout | undefined;
  let holding: NodeJS.Timeout | undefined;
  const held = new Map<number, Uint8Array>();

  const flush = (): void => {
    clearTimeout(holding);
    holding = undefined;
    const tangled = tangle([...held.values()]);
    held.clear();
    for (const received of answered.push(tangled)) if (received.kind === 'frame') fromDevices.push(received);
    // Who babbles is louder than who answers.
    if (babbling === undefined) pty.send(tangled);
  };
  for (const [i, port] of ports.entries()) {
    port.on('data', (chunk: Buffer) => {
      if (!plugged.has(i)) return;
      held.set(i, Buffer.concat([held.get(i) ?? new Uint8Array(0), chunk]));
      if (holdMs === 0 || held.size === plugged.size) flush();
      else holding ??= setTimeout(flush, holdMs);
    });
  }
  pty.listen((chunk) => {
    for (const received of asked.push(chunk)) {
      if (received.kind !== 'frame') continue;
      fromGateway.push(received);
      question(received);
    }
    for (const i of plugged) ports[i]?.write(Buffer.from(chunk));
  });
  const babble = (on: boolean): void => {
    clearInterval(babbling);
    babbling = undefined;
    if (!on) return;
    babbling = setInterval(() => {
      pty.send(
        Uint8Array.from({ length: BABBLE_BYTES }, (_, i) => (i % 7 === 0 ? 0 : Math.trunc(Math.random() * 256))),
      );
    }, BABBLE_EVERY_MS);
  };
  return {
    path: pty.path,
    fromGateway,
    fromDevices,
    inject: (bytes) => pty.send(bytes),
    whisper: (device, bytes) => void ports[device]?.write(Buffer.from(bytes)),
    onQuestion: (listener) => {
      question = listener;
    },
    pull: (device) => void plugged.delete(device),
    plug: (device) => void plugged.add(device),
    babble,
    async close() {
      babble(false);
      clearTimeout(holding);
      await pty.hangUp();
      await Promise.all(ports.map((port) => new Promise<void>((done) => port.close(() => done()))));
    },
  };
}

function openSlave(path: string): Promise<SerialPort> {
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate: 115_200, lock: false, hupcl: false }, (error) => {
      if (error === null) resolve(port);
      else reject(error);
    });
    port.on('error', () => undefined);
  });
}

/** Two drivers on one pair: a zero of either wins. */
function tangle(said: readonly Uint8Array[]): Uint8Array {
  const size = Math.max(0, ...said.map(({ length }) => length));
  return Uint8Array.from({ length: size }, (_, i) => said.reduce((byte, one) => byte & (one[i] ?? 0xff), 0xff));
}
