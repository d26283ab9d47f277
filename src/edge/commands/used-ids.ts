/**
 * Ids of commands that were judged in this start, taken or refused, until their time is over: afterwards the time refuses
 * them. They are kept a while longer where there is room, so that the same bytes, late, have the first answer and no other
 * one. That no command of an earlier start is taken needs no memory: it names another start.
 */
import { assert } from '../../base/assert.ts';

export const IDS_MAX = 4_096;
/** Of them, of commands that were refused: those may name an end as far away as they like. */
export const REFUSED_IDS_MAX = 512;
/** So long a reply may wait (reply-box.ts), and its sender ask again. */
export const KEPT_AFTER_MS = 600_000;
/** Replies are kept for those who ask twice; the oldest go first. */
const REPLIES_MAX = 256;

interface Used {
  readonly hash: string;
  readonly untilUpMs: number;
  reply?: Uint8Array;
}

export class UsedIds {
  readonly #used = new Map<string, Used>();
  readonly #refused = new Set<string>();
  readonly #answered = new Set<string>();

  has(id: string): boolean {
    return this.#used.has(id);
  }

  /** False when there is no room: nothing may be done for the command. */
  take(id: string, hash: string, untilUpMs: number, nowMs: number): boolean {
    assert(!this.#used.has(id), 'an id counts once');
    if (this.#used.size >= IDS_MAX) this.#forget(nowMs);
    if (this.#used.size >= IDS_MAX) return false;
    this.#used.set(id, { hash, untilUpMs });
    return true;
  }

  /** The same for one that is refused and must stay so. False: it cannot be remembered. */
  refuse(id: string, hash: string, untilUpMs: number, nowMs: number): boolean {
    if (this.#refused.size >= REFUSED_IDS_MAX) this.#forget(nowMs);
    if (this.#refused.size >= REFUSED_IDS_MAX || !this.take(id, hash, untilUpMs, nowMs)) return false;
    this.#refused.add(id);
    return true;
  }

  /** Whether the id was taken with these very bytes. */
  isOf(id: string, hash: string): boolean {
    return this.#used.get(id)?.hash === hash;
  }

  answered(id: string, reply: Uint8Array): void {
    const used = this.#used.get(id);
    if (used === undefined) return;
    used.reply = reply;
    this.#answered.add(id);
    const [oldest] = this.#answered;
    if (this.#answered.size <= REPLIES_MAX || oldest === undefined) return;
    this.#answered.delete(oldest);
    delete this.#used.get(oldest)?.reply;
  }

  replyTo(id: string, hash: string): Uint8Array | undefined {
    return this.isOf(id, hash) ? this.#used.get(id)?.reply : undefined;
  }

  forgetOld(nowMs: number): void {
    this.#forget(nowMs - KEPT_AFTER_MS);
  }

  /** What ended before. */
  #forget(upMs: number): void {
    for (const [id, { untilUpMs }] of this.#used) {
      if (untilUpMs >= upMs) continue;
      this.#used.delete(id);
      this.#refused.delete(id);
      this.#answered.delete(id);
    }
  }
}
