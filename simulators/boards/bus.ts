/**
 * An RS-485 line with several boards on it, seen from the boards' side: requests in, utterances out, at the times at
 * which they happen on a real wire.
 *
 * A pseudo-terminal and TCP carry bytes in no time, so the time that bytes take on the wire is waited here.
 */
import { concatBytes } from '../../src/base/bytes.ts';
import type { Scheduler, Timer } from '../../src/base/clock.ts';
import type { FaultCounts } from '../faults/kinds.ts';
import { type Emission, NO_BYTES } from '../faults/plan.ts';
import { type Cell, LockerBank } from './bank.ts';
import type { BoardFamily, BoardSettings, Utterance } from './board.ts';

export interface BusSettings {
  readonly family: BoardFamily;
  readonly boards: readonly BoardSettings[];
  readonly baud: number;
}

export interface BusParts {
  readonly bank: LockerBank;
  readonly scheduler: Scheduler;
  readonly counts: FaultCounts;
  readonly emit: (emission: Emission) => void;
}

/** Boards forget half a request after this pause. */
const REQUEST_PAUSE_MAX_MS = 100;
const BUFFER_BYTES_MAX = 256;
/** 8N1: ten bit times a byte. */
const BITS_PER_BYTE = 10;

export class BoardBus {
  readonly #settings: BusSettings;
  readonly #parts: BusParts;
  readonly #timers = new Set<Timer>();
  readonly #unsubscribe: () => void;
  readonly #doors = new Map<string, Cell['door']>();
  /** Until when a board is busy, by its name. */
  readonly #busyUntilMs = new Map<string, number>();
  #waiting: Uint8Array = NO_BYTES;
  #lastByteMs = Number.NEGATIVE_INFINITY;
  #speaksUntilMs = Number.NEGATIVE_INFINITY;
  #requests = 0;
  /** The newest question that moved no lock. */
  #question: Uint8Array | undefined;

  constructor(settings: BusSettings, parts: BusParts) {
    this.#settings = settings;
    this.#parts = parts;
    for (const cell of parts.bank.cells()) this.#doors.set(cell.name, cell.door);
    this.#unsubscribe = parts.bank.onChange((cell) => this.#changed(cell));
  }

  /** Sound requests that were heard, for any board. */
  get requests(): number {
    return this.#requests;
  }

  /** What boards would answer to the newest question if all their doors stood open: for somebody who forges it. */
  forgedAnswer(): Uint8Array | undefined {
    const question = this.#question;
    if (question === undefined) return undefined;
    const open = new LockerBank(this.#parts.bank.cells());
    for (const { name } of open.cells()) open.open(name);
    for (const board of this.#settings.boards) {
      const [answer] = this.#settings.family.hear(board, open, question);
      if (answer !== undefined) return answer.bytes;
    }
    return undefined;
  }

  receive(chunk: Uint8Array): void {
    const nowMs = this.#parts.scheduler.monotonicMs();
    if (nowMs - this.#lastByteMs > REQUEST_PAUSE_MAX_MS) this.#waiting = NO_BYTES;
    if (nowMs < this.#speaksUntilMs) this.#parts.counts.add('talked_over');
    this.#lastByteMs = nowMs;
    this.#waiting = concatBytes(this.#waiting, chunk).slice(-BUFFER_BYTES_MAX);
    this.#cut();
  }

  close(): void {
    this.#unsubscribe();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #cut(): void {
    for (;;) {
      const cut = this.#settings.family.cut(this.#waiting);
      if (cut.kind === 'more') return;
      const piece = this.#waiting.slice(0, cut.sizeBytes);
      this.#waiting = this.#waiting.subarray(cut.sizeBytes);
      if (cut.kind === 'request') this.#hear(piece);
    }
  }

  #hear(request: Uint8Array): void {
    this.#requests += 1;
    const { boards, family } = this.#settings;
    if (!boards.some((board) => family.unlocks(board, request))) this.#question = request;
    const requestMs = this.#wireMs(request.length);
    const speakers = boards.map((board) => ({ board, said: this.#ask(board, request) }));
    const talking = speakers.filter(({ said }) => said.length > 0).map(({ board }) => board.address);
    if (new Set(talking).size < talking.length) this.#parts.counts.add('same_address');
    const onWire = speakers.flatMap(({ said }) => said).sort((a, b) => a.afterMs - b.afterMs);
    for (const { afterMs, bytes } of overlay(onWire, this.#wireMs(1))) {
      this.#say({ what: 'reply', bytes, request }, requestMs + afterMs);
    }
  }

  #ask(board: BoardSettings, request: Uint8Array): readonly Utterance[] {
    const { bank, scheduler, counts } = this.#parts;
    const { family } = this.#settings;
    if (scheduler.monotonicMs() < (this.#busyUntilMs.get(board.name) ?? 0)) {
      counts.add('busy');
      return [];
    }
    const said = family.hear(board, bank, request);
    const { busyMs = 0 } = board;
    if (busyMs > 0 && family.unlocks(board, request)) {
      this.#busyUntilMs.set(board.name, scheduler.monotonicMs() + this.#wireMs(request.length) + busyMs);
    }
    return said;
  }

  #changed({ name: changed }: Cell): void {
    const cell = this.#parts.bank.sensed(changed);
    // Boards report doors; an item sensor has no frame of its own.
    if (this.#doors.get(cell.name) === cell.door) return;
    this.#doors.set(cell.name, cell.door);
    const board = this.#settings.boards.find(({ name }) => name === cell.board);
    const bytes = board === undefined ? undefined : this.#settings.family.report(board, cell);
    if (board !== undefined && bytes !== undefined) this.#say({ what: 'report', bytes }, board.turnaroundMs);
  }

  /** The whole frame is there once its last bit has passed: `startMs` from now, plus its own time on the wire. */
  #say(emission: Emission, startMs: number): void {
    const { scheduler, counts, emit } = this.#parts;
    const endMs = startMs + this.#wireMs(emission.bytes.length);
    this.#speaksUntilMs = Math.max(this.#speaksUntilMs, scheduler.monotonicMs() + endMs);
    const timer = scheduler.after(endMs, () => {
      this.#timers.delete(timer);
      if (this.#settings.family.hasEndInside(emission.bytes)) counts.add('end_in_data');
      emit(emission);
    });
    this.#timers.add(timer);
  }

  #wireMs(sizeBytes: number): number {
    return (sizeBytes * BITS_PER_BYTE * 1_000) / this.#settings.baud;
  }
}

/** What is left of replies that overlap in time: two drivers on one pair, and the space (0) wins. */
function overlay(onWire: readonly Utterance[], byteMs: number): readonly Utterance[] {
  const heard: Utterance[] = [];
  for (const next of onWire) {
    const last = heard.at(-1);
    const offset = last === undefined ? 0 : Math.round((next.afterMs - last.afterMs) / byteMs);
    if (last === undefined || offset >= last.bytes.length) heard.push(next);
    else heard[heard.length - 1] = { afterMs: last.afterMs, bytes: collide(last.bytes, next.bytes, offset) };
  }
  return heard;
}

function collide(a: Uint8Array, b: Uint8Array, offset: number): Uint8Array {
  const size = Math.max(a.length, offset + b.length);
  return Uint8Array.from({ length: size }, (_, i) => (a[i] ?? 0xff) & (b[i - offset] ?? 0xff));
}
