/**
 * What a code gives to whoever goes on acting for some minutes: a random text, in memory alone, of one person. A restart
 * forgets all of them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { base64url } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';

export const TICKET_MS = 300_000;
const TICKET_BYTES = 32;
const TICKETS_MAX = 64;

export class Tickets {
  readonly #clock: Clock;
  /** By hash, oldest first. */
  readonly #held = new Map<string, { readonly person: string; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  give(person: string): string {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { untilMs }] of this.#held) {
      if (untilMs <= nowMs || this.#held.size >= TICKETS_MAX) this.#held.delete(key);
    }
    const ticket = base64url(Uint8Array.from(randomBytes(TICKET_BYTES)));
    this.#held.set(keyOf(ticket), { person, untilMs: nowMs + TICKET_MS });
    return ticket;
  }

  isOf(person: string, ticket: string): boolean {
    const held = this.#held.get(keyOf(ticket));
    return held !== undefined && held.person === person && held.untilMs > this.#clock.monotonicMs();
  }
}

function keyOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
