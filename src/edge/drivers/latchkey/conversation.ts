/**
 * One question at a time on a line of the open wire: writes, waits, repeats, and tells what was refused. The session machines
 * decide; this owns the timer and the port.
 */
import type { Heard } from '../../../../firmware-protocol/codec/discovery.ts';
import { type Frame, FrameReceiver, LINE_BYTES_MAX } from '../../../../firmware-protocol/codec/frame.ts';
import {
  NO_SESSION,
  type Peer,
  type Refusal,
  type SessionInput,
  type SessionOutput,
  type SessionState,
  sessionStep,
} from '../../../../firmware-protocol/codec/session.ts';
import { sleep } from '../../../base/abort.ts';
import type { Scheduler, Timer } from '../../../base/clock.ts';
import type { Port } from '../../contracts/port.ts';
import { nodeWireCrypto } from './wire-crypto.ts';

/** Silence before a gateway speaks (PROTOCOL.md section 1). */
const TURNAROUND_MS = 2;
const MARGIN_MS = 20;
/** Longest answer to a question to all, on the line. */
const SHOUTED_BYTES_MAX = 64;
const SHOUT_WAIT_MS = 50;

export type Outcome = Extract<SessionOutput, { kind: 'answer' | 'opened' | 'failed' }>;

/** A device on the line, as its session sees it. */
export interface Party {
  readonly peer: Peer;
  session: SessionState;
  replyMaxMs: number;
}

export interface ConversationParts {
  readonly port: Pick<Port, 'write'>;
  readonly scheduler: Scheduler;
  readonly baud: number;
  /** What adapters and serial servers add to an answer's way. */
  readonly marginMs: number;
  readonly signal: AbortSignal;
  readonly refused: (party: Party, what: Refusal) => void;
  readonly damaged: (sizeBytes: number, verdict: string) => void;
  readonly frame: () => void;
  readonly attention: () => void;
}

interface Open {
  readonly party: Party;
  readonly resolve: (outcome: Outcome) => void;
}

export class Conversation {
  readonly #parts: ConversationParts;
  readonly #receiver = new FrameReceiver();
  readonly #byteMs: number;
  #open: Open | undefined;
  /** Whose frames those are that come while nobody is asked. */
  #last: Party | undefined;
  #timer: Timer | undefined;
  /** While a question to all is open. */
  #listen: ((chunk: Uint8Array) => void) | undefined;
  #damagedTries = 0;
  #isTryDamaged = false;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    this.#byteMs = 10_000 / parts.baud;
  }

  /** Sendings of the last question, HELLO or PROVE after which damage was heard: all of them when answers collide. */
  get damagedTries(): number {
    return this.#damagedTries;
  }

  /** Opens a session or asks. Resolves with how it ended: bounded by repetitions. One at a time. */
  converse(party: Party, input: SessionInput): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#open = { party, resolve };
      this.#last = party;
      this.#damagedTries = 0;
      this.#step(party, input);
    });
  }

  /** An open question to all, and what came within the time of an answer. Only between conversations. */
  async shout(line: Uint8Array): Promise<Heard> {
    const { port, scheduler, signal, marginMs } = this.#parts;
    const receiver = new FrameReceiver();
    const frames: Frame[] = [];
    let damagedBytes = 0;
    this.#listen = (chunk) => {
      for (const received of receiver.push(chunk)) {
        if (received.kind === 'damaged') damagedBytes += received.sizeBytes;
        else if (received.frame.fromDevice) frames.push(received.frame);
      }
    };
    try {
      await port.write(line, signal);
      const wireMs = (line.length + SHOUTED_BYTES_MAX) * this.#byteMs;
      await sleep(scheduler, Math.ceil(wireMs + SHOUT_WAIT_MS + marginMs), signal);
    } finally {
      this.#listen = undefined;
    }
    return { frames, damagedBytes: damagedBytes + receiver.reset() };
  }

  hear(chunk: Uint8Array): void {
    if (this.#listen !== undefined) {
      this.#listen(chunk);
      return;
    }
    for (const received of this.#receiver.push(chunk)) {
      if (received.kind === 'damaged') {
        if (this.#open !== undefined && !this.#isTryDamaged) this.#damagedTries += 1;
        this.#isTryDamaged = true;
        this.#parts.damaged(received.sizeBytes, received.verdict);
      } else {
        this.#parts.frame();
        const party = this.#open?.party ?? this.#last;
        if (party !== undefined) this.#step(party, { kind: 'frame', frame: received.frame, line: received.line });
      }
    }
  }

  /** The port is away, or the line stops: what is open ends now. */
  cut(): void {
    this.#timer?.cancel();
    const dropped = this.#receiver.reset();
    if (dropped > 0) this.#parts.damaged(dropped, 'cut');
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    open.party.session = NO_SESSION;
    open.resolve({ kind: 'failed', reason: 'no_reply' });
  }

  #step(party: Party, input: SessionInput): void {
    const { state, outputs } = sessionStep(nodeWireCrypto, party.peer, party.session, input);
    party.session = state;
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          this.#send(party, output.line);
          break;
        case 'refused':
          this.#parts.refused(party, output.what);
          break;
        case 'attention':
          this.#parts.attention();
          break;
        default:
          this.#end(output);
      }
    }
  }

  #end(outcome: Outcome): void {
    this.#timer?.cancel();
    const open = this.#open;
    this.#open = undefined;
    open?.resolve(outcome);
  }

  #send(party: Party, line: Uint8Array): void {
    const { scheduler, port, signal, marginMs } = this.#parts;
    this.#timer?.cancel();
    this.#isTryDamaged = false;
    const wireMs = (line.length + LINE_BYTES_MAX) * this.#byteMs;
    const waitMs = TURNAROUND_MS + wireMs + party.replyMaxMs + marginMs + MARGIN_MS;
    this.#timer = scheduler.after(Math.ceil(waitMs), () => this.#step(party, { kind: 'timeout' }));
    scheduler.after(Math.ceil(Math.max(TURNAROUND_MS, 2 * this.#byteMs)), () => {
      if (signal.aborted) return;
      // What could not be written has no answer: the time for one runs already.
      port.write(line, signal).catch(() => undefined);
    });
  }
}
