/**
 * Challenges that wait for their answer, in memory: a service that starts again forgets them, and boxes begin again. Each
 * is answered once, whatever comes of it, so that nobody can try twice against one secret.
 */
import { randomBytes } from 'node:crypto';
import { base64url } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { accept, type Result } from '../../base/result.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import type { TpmExchange } from './answers.ts';
import { CHALLENGE_ID_BYTES } from './messages.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

export interface OpenChallenge {
  readonly id: string;
  readonly gateway: string;
  readonly log: Vkey;
  readonly tokenHash: string;
  /** The first body, as it came. */
  readonly request: Uint8Array;
  /** Payload that AK and log key sign. */
  readonly statement: Uint8Array;
  readonly tpm?: TpmExchange;
}

interface Row {
  readonly challenge: OpenChallenge;
  readonly endMs: number;
  isUsed: boolean;
}

/** Spent and expired ones are remembered as long again, so that a late answer hears why it is refused. */
const REMEMBERED_FACTOR = 2;

export class Challenges {
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #max: number;
  readonly #rows = new Map<string, Row>();

  constructor(clock: Clock, limits: { readonly lifeMs: number; readonly max: number }) {
    this.#clock = clock;
    this.#lifeMs = limits.lifeMs;
    this.#max = limits.max;
  }

  get lifeMs(): number {
    return this.#lifeMs;
  }

  newId(): string {
    return base64url(Uint8Array.from(randomBytes(CHALLENGE_ID_BYTES)));
  }

  /** Replaces an earlier challenge of the same token. False when there is no room. */
  open(challenge: OpenChallenge): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, row] of this.#rows) {
      const isOver = nowMs >= row.endMs + (REMEMBERED_FACTOR - 1) * this.#lifeMs;
      if (isOver || row.challenge.tokenHash === challenge.tokenHash) this.#forget(id);
    }
    if (this.#rows.size >= this.#max) return false;
    this.#rows.set(challenge.id, { challenge, endMs: nowMs + this.#lifeMs, isUsed: false });
    return true;
  }

  /** The challenge, which from now on is used. */
  take(gateway: string, id: string): Result<OpenChallenge, EnrolRefusal> {
    const row = this.#rows.get(id);
    if (row === undefined || row.challenge.gateway !== gateway) return refused('challenge_unknown');
    if (row.isUsed) return refused('challenge_used');
    if (this.#clock.monotonicMs() >= row.endMs) return refused('challenge_expired');
    row.isUsed = true;
    return accept(row.challenge);
  }

  /** The secret is not needed any more. */
  wipe(id: string): void {
    this.#rows.get(id)?.challenge.tpm?.secret.fill(0);
  }

  #forget(id: string): void {
    this.wipe(id);
    this.#rows.delete(id);
  }
}
