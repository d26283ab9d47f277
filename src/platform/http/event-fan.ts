/**
 * One source of server-sent events, many readers, each with a bounded memory of its own: a reader that is slow gets the
 * newest state instead of all states, and the newest notes instead of all notes. It never holds up the others.
 */
import { utf8 } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';

export interface FanLimits {
  readonly streams: number;
  readonly streamsPerPerson: number;
  /** Of each reader, beside the newest state. */
  readonly notesMax: number;
  /** A line for nobody is sent so often: a reader that is gone shows, and whoever looks between does not hang up. */
  readonly pingMs: number;
}

interface Reader {
  readonly person: string;
  /** Whose end is this stream's. */
  readonly owner: object;
  state: Uint8Array | undefined;
  notes: Uint8Array[];
  isEnded: boolean;
  wake: (() => void) | undefined;
}

const PING = utf8(': \n\n');

export class EventFan {
  readonly #limits: FanLimits;
  readonly #scheduler: Scheduler;
  readonly #onCount: (readers: number) => void;
  readonly #readers = new Set<Reader>();
  #state: Uint8Array | undefined;
  #timer: Timer | undefined;

  /** `onCount`: how many read now, at each change. */
  constructor(limits: FanLimits, scheduler: Scheduler, onCount: (readers: number) => void) {
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#onCount = onCount;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** A stream for this owner, or undefined when there are as many as may be. */
  open(person: string, owner: object): ReadableStream<Uint8Array> | undefined {
    const own = [...this.#readers].filter((reader) => reader.person === person).length;
    if (this.#readers.size >= this.#limits.streams || own >= this.#limits.streamsPerPerson) return undefined;
    const reader: Reader = { person, owner, state: this.#state, notes: [PING], isEnded: false, wake: undefined };
    this.#readers.add(reader);
    this.#counted();
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(reader, controller),
        cancel: () => this.#drop(reader),
      },
      { highWaterMark: 0 },
    );
  }

  /** The newest of its kind: whoever has not read the one before never does. New readers begin with it. */
  sendState(event: string, value: unknown): void {
    this.#state = encode(event, value);
    for (const reader of this.#readers) {
      reader.state = this.#state;
      reader.wake?.();
    }
  }

  /** Nobody begins with what was the newest once. */
  forgetState(): void {
    this.#state = undefined;
  }

  sendNote(event: string, value: unknown): void {
    const bytes = encode(event, value);
    for (const reader of this.#readers) this.#note(reader, bytes);
  }

  /** Ends the streams of this owner with one last event. */
  end(owner: object, event: string): void {
    for (const reader of this.#readers) {
      if (reader.owner !== owner) continue;
      this.#note(reader, encode(event, {}));
      reader.isEnded = true;
      reader.wake?.();
    }
  }

  /** Ends all of them. */
  close(): void {
    for (const reader of this.#readers) {
      reader.isEnded = true;
      reader.wake?.();
    }
    this.#timer?.cancel();
  }

  #note(reader: Reader, bytes: Uint8Array): void {
    if (reader.isEnded) return;
    reader.notes.push(bytes);
    if (reader.notes.length > this.#limits.notesMax) reader.notes.shift();
    reader.wake?.();
  }

  async #pull(reader: Reader, controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (reader.state === undefined && reader.notes.length === 0 && !reader.isEnded) {
      await new Promise<void>((resolve) => {
        reader.wake = resolve;
      });
      reader.wake = undefined;
    }
    const { state, notes } = reader;
    reader.state = undefined;
    reader.notes = [];
    for (const bytes of [...notes, ...(state === undefined ? [] : [state])]) controller.enqueue(bytes);
    if (!reader.isEnded) return;
    this.#drop(reader);
    controller.close();
  }

  #drop(reader: Reader): void {
    reader.isEnded = true;
    reader.wake?.();
    if (this.#readers.delete(reader)) this.#counted();
  }

  #counted(): void {
    if (this.#readers.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (this.#timer === undefined) this.#ping();
    this.#onCount(this.#readers.size);
  }

  #ping(): void {
    this.#timer = this.#scheduler.after(this.#limits.pingMs, () => {
      // Whoever has not read the one before does not need another.
      for (const reader of this.#readers) if (reader.notes.length === 0) this.#note(reader, PING);
      this.#ping();
    });
  }
}

/** JSON has no line breaks, so one `data` line holds it. */
function encode(event: string, value: unknown): Uint8Array {
  return utf8(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
}
