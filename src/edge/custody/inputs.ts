/**
 * Switches that are no doors: tamper contacts, mains, battery. As with doors, two equal reads before a change counts,
 * and the event says in which interval it happened.
 *
 * What is in order at the first look is no event. What is wrong then is one: nobody knows since when.
 */
import { z } from 'zod';
import type { EventBody, Json, JsonObject, Seen } from '../../evidence/event/event.ts';
import type { Observed } from '../contracts/observed.ts';
import type { InputKind, InputReading } from '../contracts/reading.ts';
import { type Debounced, debounce, interrupted, UNREAD } from './debounce.ts';

/** 32 on each of as many boards as anyone has. What is beyond is not watched. */
export const INPUTS_MAX = 1_024;

interface Input {
  readonly device: string;
  readonly name: string;
  readonly state: Debounced;
}

/** As a snapshot holds them. */
export const inputsSchema = z
  .array(z.strictObject({ active: z.boolean(), device: z.string().max(64), input: z.string().max(40) }))
  .max(INPUTS_MAX);

export interface InputsOptions {
  readonly boot: number;
  readonly say: (observed: Observed, body: EventBody) => void;
  /** Something changed that a snapshot should not lose. */
  readonly changed: () => void;
}

export class Inputs {
  readonly #options: InputsOptions;
  readonly #inputs = new Map<string, Input>();

  constructor(options: InputsOptions) {
    this.#options = options;
  }

  /** What another start saw: a change since then lies in no interval that this one can name. */
  restore(saved: z.infer<typeof inputsSchema> = []): void {
    for (const { device, input, active } of saved) {
      const state: Debounced = { ...UNREAD, value: active, unwatched: true };
      this.#inputs.set(keyOf(device, input), { device, name: input, state });
    }
  }

  take(reading: InputReading): void {
    const { device, input: name, observed, active } = reading;
    const key = keyOf(device, name);
    const before = this.#inputs.get(key);
    if (before === undefined && this.#inputs.size >= INPUTS_MAX) return;
    const askedMs = Math.min(reading.askedUpMs ?? observed.upMs, observed.upMs);
    const read = { value: active, boot: this.#options.boot, askedMs, atMs: observed.upMs };
    const { state, change } = debounce(before?.state ?? UNREAD, read);
    this.#inputs.set(key, { device, name, state });
    if (change === undefined) return;
    this.#options.changed();
    if (change.first && !active) return;
    this.#options.say(observed, inputBody(reading, change.seen, change.unwatched));
  }

  /** The board cannot be read: what it says next does not follow on what it said. */
  lose(device: string): void {
    for (const [key, input] of this.#inputs) {
      if (input.device === device) this.#inputs.set(key, { ...input, state: interrupted(input.state) });
    }
  }

  /** For the snapshot: what a restart must know to see a change. */
  snapshot(): readonly JsonObject[] {
    return [...this.#inputs.values()].flatMap(({ device, name, state }) =>
      state.value === undefined ? [] : [{ active: state.value, device, input: name }],
    );
  }
}

function inputBody(
  { device, input, what, active }: InputReading,
  seen: Seen | undefined,
  unwatched: boolean,
): EventBody {
  const data: Record<string, Json> = {};
  if (what === 'tamper') {
    const detail =
      seen === undefined && active ? 'so at the first look' : unwatched ? 'while it could not be read' : undefined;
    if (detail !== undefined) data['detail'] = detail;
    data['input'] = input;
  } else data['source'] = what;
  const type = TYPES[what][active ? 0 : 1];
  return seen === undefined ? { data, device, type } : { data, device, seen, type };
}

const TYPES: Readonly<Record<InputKind, readonly [wrong: string, right: string]>> = {
  tamper: ['tamper.raised', 'tamper.cleared'],
  mains: ['power.lost', 'power.restored'],
  battery: ['power.lost', 'power.restored'],
};

function keyOf(device: string, input: string): string {
  return `${device} ${input}`;
}
