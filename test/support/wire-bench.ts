/**
 * A gateway's session in TypeScript and a device in C with the cable between them in the test's hand: what passes, in which order,
 * how often and how late. Time stands still unless the test moves it.
 */
import { FrameReceiver, type Received } from '../../firmware-protocol/codec/frame.ts';
import {
  NO_SESSION,
  type Peer,
  type Refusal,
  type Session,
  type SessionInput,
  type SessionOutput,
  type SessionState,
  sessionStep,
  type WireKey,
} from '../../firmware-protocol/codec/session.ts';
import { hex } from '../../src/base/bytes.ts';
import { nodeWireCrypto } from '../../src/edge/drivers/latchkey/wire-crypto.ts';
import { type LineProgram, startHarness } from './firmware.ts';

export const IDENTITY = Uint8Array.of(0x4c, 0x4b, 0x57, 1, 2, 3, 4, 5);
export const LABEL_KEY = new Uint8Array(16).fill(0x11);
export const KEY: WireKey = { number: 3, key: new Uint8Array(16).fill(0x33) };
export const ADDRESS = 7;
const NO_KEY = '0 00000000000000000000000000000000';

export interface DeviceStart {
  readonly identity?: Uint8Array;
  readonly label?: Uint8Array;
  readonly boot?: number;
  readonly channels?: number;
  readonly address?: number;
  readonly current?: WireKey | undefined;
  readonly next?: WireKey | undefined;
}

export class BenchDevice {
  readonly #program: LineProgram;
  nowMs = 1_000;

  private constructor(program: LineProgram) {
    this.#program = program;
  }

  static async start(start: DeviceStart = {}): Promise<BenchDevice> {
    const device = new BenchDevice(startHarness('device'));
    await device.restart(start);
    return device;
  }

  async restart(start: DeviceStart = {}): Promise<void> {
    const { identity = IDENTITY, label = LABEL_KEY, boot = 5, channels = 12, address = ADDRESS } = start;
    const current = 'current' in start ? start.current : KEY;
    const keys = `${keyWords(current)} ${keyWords(start.next)}`;
    await this.#program.ask(`start ${hex(identity)} ${hex(label)} ${boot} ${channels} ${address} ${keys}`);
  }

  /** What the device answers, delimiters and all; empty when it says nothing. */
  async hear(line: Uint8Array): Promise<Uint8Array> {
    if (line.length === 0) return line;
    const answer = await this.#program.ask(`rx ${this.nowMs} ${hex(line)}`);
    return answer === 'tx -' ? new Uint8Array(0) : Uint8Array.from(Buffer.from(answer.slice(3), 'hex'));
  }

  /** `door 1 0` and the like, at the present time. */
  tell(what: string): Promise<string> {
    const [verb, ...rest] = what.split(' ');
    return this.#program.ask(`${verb} ${this.nowMs} ${rest.join(' ')}`);
  }

  ask(what: string): Promise<string> {
    return this.#program.ask(what);
  }

  async counts(): Promise<Readonly<Record<string, number>>> {
    const numbers = (await this.#program.ask('counts')).split(' ').slice(1).map(Number);
    return Object.fromEntries(numbers.map((count, i) => [COUNTERS[i] ?? '', count]));
  }

  end(): Promise<number | null> {
    return this.#program.end();
  }
}

const COUNTERS = [
  'frames',
  'damaged',
  'noSession',
  'forged',
  'replayed',
  'skipped',
  'repeated',
  'sessions',
  'refused',
  'dropped',
];

export class BenchGateway {
  state: SessionState = NO_SESSION;
  readonly outputs: SessionOutput[] = [];
  readonly refusals = new Map<Refusal, number>();
  /** What it would have put on the cable last. */
  line: Uint8Array = new Uint8Array(0);
  readonly #peer: Peer;
  readonly #receiver = new FrameReceiver();
  #opened = 0;

  constructor(peer: Peer = { address: ADDRESS, identity: IDENTITY }) {
    this.#peer = peer;
  }

  get session(): Session | undefined {
    return this.state.phase === 'ready' || this.state.phase === 'asking' ? this.state.session : undefined;
  }

  step(input: SessionInput): readonly SessionOutput[] {
    const { state, outputs } = sessionStep(nodeWireCrypto, this.#peer, this.state, input);
    this.state = state;
    this.outputs.push(...outputs);
    for (const output of outputs) {
      if (output.kind === 'send') this.line = output.line;
      if (output.kind === 'refused') this.refusals.set(output.what, (this.refusals.get(output.what) ?? 0) + 1);
    }
    return outputs;
  }

  /** Gives it the bytes; what they led to, damage apart. */
  hear(line: Uint8Array): readonly SessionOutput[] {
    return this.#receiver.push(line).flatMap((received: Received) => {
      return received.kind === 'frame' ? this.step({ kind: 'frame', frame: received.frame, line: received.line }) : [];
    });
  }

  hello(key: WireKey = KEY): Uint8Array {
    this.#opened += 1;
    this.step({ kind: 'open', key, random: new Uint8Array(16).fill(this.#opened) });
    return this.line;
  }

  /** The three passes over an honest cable. */
  async open(device: BenchDevice, key: WireKey = KEY): Promise<void> {
    this.hear(await device.hear(this.hello(key)));
    this.hear(await device.hear(this.line));
  }

  ask(type: number, body: Uint8Array): Uint8Array {
    this.step({ kind: 'ask', type, body });
    return this.line;
  }

  async exchange(device: BenchDevice, type: number, body: Uint8Array): Promise<Answer | undefined> {
    return answerIn(this.hear(await device.hear(this.ask(type, body))));
  }
}

export type Answer = Extract<SessionOutput, { kind: 'answer' }>;

export function answerIn(outputs: readonly SessionOutput[]): Answer | undefined {
  return outputs.find((output): output is Answer => output.kind === 'answer');
}

function keyWords(key: WireKey | undefined): string {
  return key === undefined ? NO_KEY : `${key.number} ${hex(key.key)}`;
}
